#include "tests/conformance/http_subject.h"

#include "agent/base/mutex.h"

namespace nodekeep::conformance {

HttpSubject::HttpSubject(FakeClock& clock, std::string error_body, std::string audience)
    : clock_(clock), error_body_(std::move(error_body)), audience_(std::move(audience)) {
  http_.On("", "*",
           {[this](const Context& context, const Seen& seen) { return Answer(context, seen); }});
}

void HttpSubject::Set(const std::string& name, const std::string& value,
                      const std::string& account) {
  MutexLock lock(mutex_);
  Stored& stored = secrets_[name];
  stored.value = value;
  stored.account = account;
  ++stored.version;
}

void HttpSubject::Remove(const std::string& name) {
  MutexLock lock(mutex_);
  secrets_.erase(name);
}

void HttpSubject::ClearFaults() {
  MutexLock lock(mutex_);
  broken_at_login_ = nullptr;
  broken_at_read_ = nullptr;
}

bool HttpSubject::Hang() {
  MutexLock lock(mutex_);
  hanging_ = true;
  return true;
}

void HttpSubject::AwaitCall() {
  MutexLock lock(mutex_);
  changed_.wait(lock, [this] {
    mutex_.AssertHeld();
    return hung_ > 0;
  });
  hung_ = 0;
}

void HttpSubject::AddCredentials(Identity& identity) {
  const std::string account = identity.namespace_name + "/" + identity.service_account;
  const std::string token = "jwt-of." + identity.PodUid() + ".canary";
  MutexLock lock(mutex_);
  accounts_[token] = {account, identity.service_account_uid};
  identity.tokens[audience_].token = SecretBytes(token);
}

HttpResponse HttpSubject::Reply(int status, std::string body,
                                std::vector<std::pair<std::string, std::string>> headers) {
  HttpResponse response;
  response.status = status;
  response.headers = std::move(headers);
  response.body = SecretBytes(body);
  return response;
}

void HttpSubject::Break(bool at_login, Instead instead) {
  MutexLock lock(mutex_);
  (at_login ? broken_at_login_ : broken_at_read_) = std::move(instead);
}

std::vector<Fault> HttpSubject::CommonFaults(ErrorCode login_400, ErrorCode read_401) {
  using std::chrono::seconds;
  const std::string cut = "the connection was cut";
  return {
      Status(true, 400, login_400),
      Status(true, 401, ErrorCode::kDenied),
      Status(true, 403, ErrorCode::kDenied),
      Status(true, 404, ErrorCode::kInvalid),
      Status(true, 429, ErrorCode::kThrottled, seconds(7)),
      Status(true, 500, ErrorCode::kTransient),
      Status(true, 502, ErrorCode::kTransient),
      Status(true, 503, ErrorCode::kTransient),
      Failure("login: cut", true, ErrorCode::kTransient, cut),
      Status(false, 400, ErrorCode::kInvalid),
      Status(false, 401, read_401),
      Status(false, 403, ErrorCode::kDenied),
      Status(false, 404, ErrorCode::kNotFound),
      Status(false, 429, ErrorCode::kThrottled, seconds(7)),
      Status(false, 500, ErrorCode::kTransient),
      Status(false, 502, ErrorCode::kTransient),
      Status(false, 503, ErrorCode::kTransient),
      Failure("read: cut", false, ErrorCode::kTransient, cut),
      Failure("read: too large", false, ErrorCode::kTooLarge, "the reply is too large"),
      AnsweredRead("read: no JSON", 200, "<html>canary</html>", ErrorCode::kTransient),
  };
}

Fault HttpSubject::Status(bool at_login, int status, ErrorCode want,
                          std::optional<std::chrono::seconds> retry_after) {
  Fault fault;
  fault.name = fmt::format("{}: {}", at_login ? "login" : "read", status);
  fault.at_login = at_login;
  fault.want = want;
  if (retry_after) fault.retry_after = *retry_after;
  fault.inject = [=, this] {
    std::vector<std::pair<std::string, std::string>> headers;
    if (retry_after) headers.emplace_back("retry-after", std::to_string(retry_after->count()));
    Break(at_login,
          [=, this]() -> Result<HttpResponse> { return Reply(status, error_body_, headers); });
  };
  return fault;
}

Fault HttpSubject::Failure(std::string name, bool at_login, ErrorCode code, std::string words) {
  Fault fault;
  fault.name = std::move(name);
  fault.at_login = at_login;
  fault.want = code;
  fault.inject = [=, this] {
    Break(at_login, [=]() -> Result<HttpResponse> { return Error(code, words); });
  };
  return fault;
}

Fault HttpSubject::AnsweredRead(std::string name, int status, std::string body, ErrorCode want) {
  Fault fault;
  fault.name = std::move(name);
  fault.want = want;
  fault.inject = [=, this] {
    Break(false, [=]() -> Result<HttpResponse> { return Reply(status, body); });
  };
  return fault;
}

Result<HttpResponse> HttpSubject::Answer(const Context& context, const Seen& seen) {
  MutexLock lock(mutex_);
  if (hanging_) {
    ++hung_;
    changed_.notify_all();
    clock_.WaitUntil(lock, changed_, context.stop(), context.deadline(), [] { return false; });
    return context.Check(clock_).error();
  }
  const Instead& instead = IsLogin(seen) ? broken_at_login_ : broken_at_read_;
  return instead ? instead() : Respond(seen);
}

}  // namespace nodekeep::conformance
