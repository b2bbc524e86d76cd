#pragma once

// A subject whose backend is a script behind the HttpClient seam: the table of secrets and of who
// may read them, and the ways in which any HTTP backend fails. A provider's own subject says what
// its logins and reads look like.

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/subject.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep::conformance {

class HttpSubject : public Subject {
 public:
  Provider provider() override { return provider_; }

  void Set(const std::string& name, const std::string& value, const std::string& account) override;
  void Remove(const std::string& name) override;
  void Heal() override;
  bool Hang() override;
  void AwaitCall() override;
  void Equip(Identity& identity) override;

 protected:
  using Seen = FakeHttpClient::Seen;
  struct Stored {
    std::string value, account;
    int version = 0;
  };
  struct Account {
    std::string name, uid;  // "namespace/name", and the service account's
  };
  // What is answered instead, made anew each time, because a response is move-only.
  using Instead = std::function<Result<HttpResponse>()>;

  // `error_body`: as the backend words an error. `audience`: of the pods' tokens.
  HttpSubject(FakeClock& clock, std::string error_body, std::string audience);

  virtual bool IsLogin(const Seen& seen) const = 0;
  // The backend at work. mutex_ is held.
  virtual Result<HttpResponse> Respond(const Seen& seen) = 0;

  static HttpResponse Reply(int status, std::string body,
                            std::vector<std::pair<std::string, std::string>> headers = {});

  void Break(bool at_login, Instead instead);
  // What every HTTP backend can do to a login and to a read. What a 400 at login and a 401 at a
  // read mean is the provider's own.
  std::vector<Fault> CommonFaults(ErrorCode login_400, ErrorCode read_401);
  Fault Status(bool at_login, int status, ErrorCode want,
               std::optional<std::chrono::seconds> retry_after = {});
  Fault Failure(std::string name, bool at_login, ErrorCode code, std::string words);
  // A read is answered with this.
  Fault AnsweredRead(std::string name, int status, std::string body, ErrorCode want);

  FakeClock& clock_;
  FakeHttpClient http_;
  Provider provider_;  // made by the provider's own subject

  std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, Stored> secrets_;      // by name
  std::map<std::string, Account> accounts_;    // by the pod's token
  std::map<std::string, std::string> tokens_;  // the backend's own token -> account

 private:
  Result<HttpResponse> Answer(const Context& context, const Seen& seen);

  const std::string error_body_;
  const std::string audience_;

  std::condition_variable_any changed_;
  // Guarded by mutex_.
  Instead broken_at_login_;  // null = works
  Instead broken_at_read_;
  bool hanging_ = false;
  std::size_t hung_ = 0;
};

}  // namespace nodekeep::conformance
