#pragma once

// A subject whose backend is a FakeHttpClient: a table of secrets with the account that may read
// each, and the faults common to all HTTP backends. The provider's own subject implements its
// login and read requests.

#include <condition_variable>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "tests/conformance/subject.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep::conformance {

class HttpSubject : public Subject {
 public:
  Provider provider() override { return provider_; }

  void Set(const std::string& name, const std::string& value, const std::string& account) override;
  void Remove(const std::string& name) override;
  void ClearFaults() override;
  bool Hang() override;
  void AwaitCall() override;
  void AddCredentials(Identity& identity) override;

 protected:
  using Seen = FakeHttpClient::RecordedRequest;
  struct Stored {
    std::string value, account;
    int version = 0;
  };
  struct Account {
    std::string name, uid;  // "namespace/name"; uid of the service account
  };
  // Makes the result that replaces the normal response; a function, as a response is move-only.
  using Instead = std::function<Result<HttpResponse>()>;

  // `error_body`: an error body in the backend's format. `audience`: of the pods' tokens.
  HttpSubject(FakeClock& clock, std::string error_body, std::string audience);

  virtual bool IsLogin(const Seen& seen) const = 0;
  // The response of the healthy backend.
  virtual Result<HttpResponse> Respond(const Seen& seen) NODEKEEP_REQUIRES(mutex_) = 0;

  static HttpResponse Reply(int status, std::string body,
                            std::vector<std::pair<std::string, std::string>> headers = {});

  void Break(bool at_login, Instead instead);
  // Login and read faults of every HTTP backend. The error codes for a 400 at login and a 401 at a
  // read depend on the provider.
  std::vector<Fault> CommonFaults(ErrorCode login_400, ErrorCode read_401);
  Fault Status(bool at_login, int status, ErrorCode want,
               std::optional<std::chrono::seconds> retry_after = {});
  Fault Failure(std::string name, bool at_login, ErrorCode code, std::string words);
  // Reads get this response.
  Fault AnsweredRead(std::string name, int status, std::string body, ErrorCode want);

  FakeClock& clock_;
  FakeHttpClient http_;
  Provider provider_;  // set by the derived class

  Mutex mutex_;
  std::map<std::string, Stored> secrets_ NODEKEEP_GUARDED_BY(mutex_);    // by name
  std::map<std::string, Account> accounts_ NODEKEEP_GUARDED_BY(mutex_);  // by the pod's token
  // The backend's own token -> account.
  std::map<std::string, std::string> tokens_ NODEKEEP_GUARDED_BY(mutex_);

 private:
  Result<HttpResponse> Answer(const Context& context, const Seen& seen);

  const std::string error_body_;
  const std::string audience_;

  std::condition_variable_any changed_;
  Instead broken_at_login_ NODEKEEP_GUARDED_BY(mutex_);  // null = works
  Instead broken_at_read_ NODEKEEP_GUARDED_BY(mutex_);
  bool hanging_ NODEKEEP_GUARDED_BY(mutex_) = false;
  std::size_t hung_ NODEKEEP_GUARDED_BY(mutex_) = 0;
};

}  // namespace nodekeep::conformance
