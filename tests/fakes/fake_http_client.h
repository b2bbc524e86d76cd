#pragma once

// A network that plays a script: routes with lists of replies, and a memory of what was asked.
//
// Thread-safe. The requests of one SendAll are answered each on a thread of its own when there is
// more than one, so that a reply that blocks holds up nobody else. A context that is already over
// gets its error, as with the real client.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/http/http_client.h"

namespace nodekeep {

class FakeHttpClient final : public HttpClient {
 public:
  struct Seen {
    std::string method;
    std::string url;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    std::string unix_socket;
    std::shared_ptr<const TlsSettings> tls;
    bool bypass_proxy = false;
    Duration timeout{};
    ServerState (*server_state)(const HttpResponse&) = nullptr;
  };
  using Reply = std::function<Result<HttpResponse>(const Context&, const Seen&)>;
  using UrlPredicate = std::function<bool(std::string_view url)>;
  using Headers = std::vector<std::pair<std::string, std::string>>;

  static Reply Respond(int status, std::string body, Headers headers = {});
  static Reply Fail(ErrorCode code, std::string message);

  // Makes replies wait until the test lets them go.
  class Gate {
   public:
    // `reply` once released. A caller that leaves meanwhile gets kCancelled.
    Reply Then(Reply reply);
    // Returns when `count` requests have come here, now waiting or not.
    void AwaitArrivals(std::size_t count);
    void Release();

   private:
    struct State;
    std::shared_ptr<State> state_ = MakeState();
    static std::shared_ptr<State> MakeState();
  };

  // Requests with that method ("" = any) get the replies one after the other, and the last one for
  // ever. Routes are tried in the order they were added. A string is the whole URL, or with a "*"
  // at its end the start of it.
  void On(std::string method, UrlPredicate matches, std::vector<Reply> replies);
  void On(std::string method, std::string url, std::vector<Reply> replies);
  // These go to the next requests, whatever they are, before any route is asked.
  void AddFaults(std::vector<Reply> faults);

  std::vector<Result<HttpResponse>> SendAll(const Context& context,
                                            std::vector<HttpRequest> requests) override;

  // In order of arrival.
  std::vector<Seen> Requests() const;
  // How many requests had a URL that contains `part`.
  std::size_t Count(std::string_view part = "") const;

 private:
  struct Route {
    std::string method;
    UrlPredicate matches;
    std::vector<Reply> replies;
    std::size_t next = 0;
  };

  Result<HttpResponse> Answer(const Context& context, HttpRequest request);
  Reply Choose(const Seen& seen);

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<Route> routes_;
  std::vector<Reply> faults_;
  std::vector<Seen> seen_;
};

}  // namespace nodekeep
