#pragma once

// What the suite needs to test a provider: the provider itself, a class that mounts, and faults of
// its backend. Each provider's conformance.cc defines
//   std::unique_ptr<Subject> nodekeep::conformance::<name>::MakeSubject(FakeClock&, Logger&);
// the table of them is generated from providers/CMakeLists.txt.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/secrets/provider.h"
#include "providers/registry.h"
#include "tests/fakes/fake_clock.h"

namespace nodekeep::conformance {

using Attributes = std::map<std::string, std::string>;

// A fault of the backend, and the error that the provider must return for it.
struct Fault {
  std::string name;  // "read: 403"
  bool at_login = false;
  std::function<void()> inject;
  ErrorCode want;
  std::optional<std::chrono::milliseconds> retry_after;
};

// Parameters that Parse must reject, and the texts that its message must contain.
struct BadInput {
  std::string name;
  Attributes attributes;
  std::vector<std::string> named;
};

// Two logins that must not share cached secrets: they differ in `option` only, which is a parameter
// of the class or a setting of the node ("setting address").
struct LoginChange {
  struct Login {
    Attributes parameters;  // added to those of Mount({"a"})
    SettingValues settings;
  };
  std::string option;
  Login before, after;
};

// A provider with a backend of its own. Thread-safe where the provider is.
class Subject {
 public:
  virtual ~Subject() = default;

  virtual Provider provider() = 0;

  // A class that mounts these secrets, each into a file of the secret's name.
  virtual Attributes Mount(const std::vector<std::string>& names) const = 0;
  virtual std::vector<BadInput> BadInputs() const = 0;

  // Puts a secret into the backend. `account` ("namespace/name"): the only one that may read it;
  // "" = any account.
  virtual void Set(const std::string& name, const std::string& value,
                   const std::string& account = "") = 0;
  virtual void Remove(const std::string& name) = 0;

  // Faults of the backend. Each lasts until ClearFaults; the secret "a" is in the backend
  // meanwhile.
  virtual std::vector<Fault> Faults() = 0;
  virtual void ClearFaults() = 0;

  // Makes every call hang until its context ends; false if no call of the backend can block.
  // AwaitCall returns when a call hangs.
  virtual bool Hang() { return false; }
  virtual void AwaitCall() {}

  // One for each parameter of the dialect and each setting that affects what a login may access.
  virtual std::vector<LoginChange> LoginChanges() const = 0;
  // The names of all other settings.
  virtual std::set<std::string> SettingsOutsideLogins() const = 0;

  // Adds to the pod's identity what a login needs, such as its token.
  virtual void AddCredentials(Identity& identity) = 0;
  // Texts, besides secret values, that must never appear in a log, an error or a plan.
  virtual std::vector<std::string> Tokens() const { return {}; }
};

struct SubjectEntry {
  std::string_view provider;
  std::unique_ptr<Subject> (*make)(FakeClock& clock, Logger& log);
};

// All subjects; the suite checks that every registered provider has one.
const std::vector<SubjectEntry>& Subjects();

// Makes the registered provider `name` from `values` and the defaults of its other settings.
Provider MakeRegistered(std::string_view name, const SettingValues& values, HttpClient& http,
                        const Clock& clock, Logger& log);

}  // namespace nodekeep::conformance
