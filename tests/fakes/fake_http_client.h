#pragma once

// A scripted HttpClient: routes with lists of replies, and a record of the requests.
//
// Thread-safe. If one SendAll has more than one request, each is answered on a thread of its own,
// so that a reply that blocks does not delay the others. A context that has already ended gets its
// error, as with the real client.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/http/http_client.h"

namespace nodekeep {

class FakeHttpClient final : public HttpClient {
 public:
  struct RecordedRequest {
    std::string method;
    std::string url;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    std::string unix_socket;
    std::shared_ptr<const TlsSettings> tls;
    const TlsParameterNames* tls_names = nullptr;
    bool bypass_proxy = false;
    Duration timeout{};
    ServerState (*server_state)(const HttpResponse&) = nullptr;
  };
  using Reply = std::function<Result<HttpResponse>(const Context&, const RecordedRequest&)>;
  using UrlPredicate = std::function<bool(std::string_view url)>;
  using Headers = std::vector<std::pair<std::string, std::string>>;

  static Reply Respond(int status, std::string body, Headers headers = {});
  static Reply Fail(ErrorCode code, std::string message);

  // Holds replies back until the test calls Release.
  class Gate {
   public:
    // Returns `reply` once released. A call that is cancelled before gets kCancelled.
    Reply Then(Reply reply);
    // Returns when `count` requests have reached the gate, including released ones.
    void AwaitArrivals(std::size_t count);
    void Release();

   private:
    struct State;
    std::shared_ptr<State> state_ = MakeState();
    static std::shared_ptr<State> MakeState();
  };

  // Requests with that method ("" = any) get the replies in order; the last one is repeated for all
  // further requests. Routes are tried in the order they were added. A string is the whole URL, or,
  // if it ends in "*", a prefix of the URL.
  void On(std::string method, UrlPredicate matches, std::vector<Reply> replies);
  void On(std::string method, std::string url, std::vector<Reply> replies);
  // Answers the next requests, whatever their URL, before any route is tried.
  void AddFaults(std::vector<Reply> faults);

  std::vector<Result<HttpResponse>> SendAll(const Context& context,
                                            std::vector<HttpRequest> requests) override;

  // In order of arrival.
  std::vector<RecordedRequest> Requests() const;
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
  Reply Choose(const RecordedRequest& seen);

  mutable Mutex mutex_;
  std::vector<Route> routes_ NODEKEEP_GUARDED_BY(mutex_);
  std::vector<Reply> faults_ NODEKEEP_GUARDED_BY(mutex_);
  std::vector<RecordedRequest> seen_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep
