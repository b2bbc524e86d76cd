#pragma once

// The interface to the network for responses that are processed as they arrive, without a waiting
// thread per request: watches.

#include <memory>
#include <string_view>

#include "agent/http/http_client.h"

namespace nodekeep {

// Receives one response. Calls are sequential, from the network thread or from within Open, and
// must return at once: an implementation stores the data and must not call back.
class HttpReceiver {
 public:
  virtual ~HttpReceiver() = default;

  // The headers of a 2xx response have arrived; its body follows.
  virtual void OnHead() = 0;
  // The next bytes of the body. Return false if there is no room for them; the response then ends
  // with kTooLarge.
  virtual bool OnBytes(std::string_view bytes) = 0;
  // The last call. The body of a 2xx response was passed to OnBytes, that of any other status is in
  // the result. Errors as in HttpClient, and kShuttingDown.
  virtual void OnEnd(Result<HttpResponse> result) = 0;
};

// Implementations are thread-safe.
class HttpStreamClient {
 public:
  virtual ~HttpStreamClient() = default;

  // Starts the request and returns. The context ends it as in HttpClient. max_response_bytes limits
  // only what is kept in memory: the body of a response that is not 2xx.
  virtual void Open(const Context& context, HttpRequest request,
                    std::shared_ptr<HttpReceiver> receiver) = 0;
};

}  // namespace nodekeep
