#pragma once

// The seam to the network for answers that are taken as they arrive, and for callers that do not
// wait on a thread of their own: watches.

#include <memory>
#include <string_view>

#include "agent/http/http_client.h"

namespace nodekeep {

// Takes one answer. Calls come one at a time, from the network's thread or from within Open, and
// must return at once: an implementation puts away what it gets, and calls nobody back.
class HttpReceiver {
 public:
  virtual ~HttpReceiver() = default;

  // A 2xx answer has begun: what was asked for will come.
  virtual void OnHead() = 0;
  // The next bytes of its body. False: there is no room for them; the answer ends
  // with kTooLarge.
  virtual bool OnBytes(std::string_view bytes) = 0;
  // The last call. The body of a 2xx answer has gone to OnBytes, that of any other status is in
  // the result. Errors as in HttpClient, and kShuttingDown.
  virtual void OnEnd(Result<HttpResponse> result) = 0;
};

// Implementations are thread-safe.
class HttpStreamClient {
 public:
  virtual ~HttpStreamClient() = default;

  // Sends the request and returns. The context ends it as in HttpClient. max_response_bytes bounds
  // what is kept here: the body of an answer that is not 2xx.
  virtual void Open(const Context& context, HttpRequest request,
                    std::shared_ptr<HttpReceiver> receiver) = 0;
};

}  // namespace nodekeep
