#include "tests/fakes/fake_http_client.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <thread>

#include "agent/base/mutex.h"

namespace nodekeep {
namespace {

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

FakeHttpClient::RecordedRequest Record(const HttpRequest& request) {
  FakeHttpClient::RecordedRequest seen;
  seen.method = request.method;
  seen.url = request.url;
  for (const HttpHeader& header : request.headers) {
    seen.headers[Lower(header.name)] = std::string(header.value.Reveal());
  }
  seen.body = std::string(request.body.Reveal());
  seen.unix_socket = request.unix_socket;
  seen.tls = request.tls;
  seen.tls_names = request.tls_names;
  seen.bypass_proxy = request.bypass_proxy;
  seen.timeout = request.timeout;
  seen.server_state = request.server_state;
  return seen;
}

}  // namespace

struct FakeHttpClient::Gate::State {
  Mutex mutex;
  std::condition_variable_any changed;
  std::size_t arrivals NODEKEEP_GUARDED_BY(mutex) = 0;
  bool released NODEKEEP_GUARDED_BY(mutex) = false;
};

std::shared_ptr<FakeHttpClient::Gate::State> FakeHttpClient::Gate::MakeState() {
  return std::make_shared<State>();
}

FakeHttpClient::Reply FakeHttpClient::Gate::Then(Reply reply) {
  return [state = state_, reply = std::move(reply)](
             const Context& context, const RecordedRequest& seen) -> Result<HttpResponse> {
    {
      MutexLock lock(state->mutex);
      ++state->arrivals;
      state->changed.notify_all();
      if (!state->changed.wait(lock, context.stop(), [&] {
            state->mutex.AssertHeld();
            return state->released;
          })) {
        return Error(ErrorCode::kCancelled, "the caller has gone away");
      }
    }
    return reply(context, seen);
  };
}

void FakeHttpClient::Gate::AwaitArrivals(std::size_t count) {
  MutexLock lock(state_->mutex);
  state_->changed.wait(lock, [&] {
    state_->mutex.AssertHeld();
    return state_->arrivals >= count;
  });
}

void FakeHttpClient::Gate::Release() {
  MutexLock lock(state_->mutex);
  state_->released = true;
  state_->changed.notify_all();
}

FakeHttpClient::Reply FakeHttpClient::Respond(int status, std::string body, Headers headers) {
  return [=](const Context&, const RecordedRequest&) -> Result<HttpResponse> {
    HttpResponse response;
    response.status = status;
    response.headers = headers;
    response.body = SecretBytes(body);
    return response;
  };
}

FakeHttpClient::Reply FakeHttpClient::Fail(ErrorCode code, std::string message) {
  return [=](const Context&, const RecordedRequest&) -> Result<HttpResponse> {
    return Error(code, message);
  };
}

void FakeHttpClient::On(std::string method, UrlPredicate matches, std::vector<Reply> replies) {
  MutexLock lock(mutex_);
  routes_.push_back({std::move(method), std::move(matches), std::move(replies)});
}

void FakeHttpClient::On(std::string method, std::string url, std::vector<Reply> replies) {
  UrlPredicate matches = [url](std::string_view candidate) { return candidate == url; };
  if (url.ends_with('*')) {
    url.pop_back();
    matches = [url](std::string_view candidate) { return candidate.starts_with(url); };
  }
  On(std::move(method), std::move(matches), std::move(replies));
}

void FakeHttpClient::AddFaults(std::vector<Reply> faults) {
  MutexLock lock(mutex_);
  for (Reply& fault : faults) faults_.push_back(std::move(fault));
}

std::vector<Result<HttpResponse>> FakeHttpClient::SendAll(const Context& context,
                                                          std::vector<HttpRequest> requests) {
  std::vector<std::optional<Result<HttpResponse>>> answers(requests.size());
  if (requests.size() == 1) {
    answers[0] = Answer(context, std::move(requests[0]));
  } else {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      threads.emplace_back([&, i] { answers[i] = Answer(context, std::move(requests[i])); });
    }
  }
  std::vector<Result<HttpResponse>> results;
  for (auto& answer : answers) results.push_back(*std::move(answer));
  return results;
}

Result<HttpResponse> FakeHttpClient::Answer(const Context& context, HttpRequest request) {
  if (context.stop().stop_requested()) {
    return Error(ErrorCode::kCancelled, "the caller has gone away");
  }
  const RecordedRequest seen = Record(request);
  return Choose(seen)(context, seen);
}

FakeHttpClient::Reply FakeHttpClient::Choose(const RecordedRequest& seen) {
  MutexLock lock(mutex_);
  seen_.push_back(seen);
  if (!faults_.empty()) {
    Reply fault = std::move(faults_.front());
    faults_.erase(faults_.begin());
    return fault;
  }
  for (Route& route : routes_) {
    if (!route.method.empty() && route.method != seen.method) continue;
    if (!route.matches(seen.url)) continue;
    const std::size_t now = std::min(route.next++, route.replies.size() - 1);
    return route.replies[now];
  }
  return Fail(ErrorCode::kInternal,
              fmt::format("the test has no route for {} {}", seen.method, seen.url));
}

std::vector<FakeHttpClient::RecordedRequest> FakeHttpClient::Requests() const {
  MutexLock lock(mutex_);
  return seen_;
}

std::size_t FakeHttpClient::Count(std::string_view part) const {
  MutexLock lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      seen_.begin(), seen_.end(),
      [&](const RecordedRequest& seen) { return seen.url.find(part) != std::string::npos; }));
}

}  // namespace nodekeep
