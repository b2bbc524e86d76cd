#pragma once

// What the suite has to know of a provider to try it: how to make it and a class that mounts, and
// how to make its backend misbehave. Each provider's conformance.cc defines
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

// What a backend is made to do, and what the provider must say then.
struct Fault {
  std::string name;  // "read: 403"
  bool at_login = false;
  std::function<void()> inflict;
  ErrorCode want;
  std::optional<std::chrono::milliseconds> retry_after;
};

// Parameters that Parse must refuse, and whom or what its message must name.
struct BadInput {
  std::string name;
  Attributes attributes;
  std::vector<std::string> named;
};

// Two ways to log in that must not find each other's cached secrets: they differ in `option` only,
// a parameter of the class or a setting of the node ("setting address").
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
  // "" = everybody.
  virtual void Set(const std::string& name, const std::string& value,
                   const std::string& account = "") = 0;
  virtual void Remove(const std::string& name) = 0;

  // Faults that the backend can have. Each holds until Heal, with the secret "a" in the backend.
  virtual std::vector<Fault> Faults() = 0;
  virtual void Heal() = 0;

  // Makes every call hang until its context is over; false when the backend has no such state,
  // because nothing of it can block. AwaitCall returns when a call hangs.
  virtual bool Hang() { return false; }
  virtual void AwaitCall() {}

  // For every parameter of the dialect, and every setting, that decides what a login is worth.
  virtual std::vector<LoginChange> LoginChanges() const = 0;
  // The other settings.
  virtual std::set<std::string> SettingsOutsideLogins() const = 0;

  // Gives the pod what it needs for a login.
  virtual void Equip(Identity& identity) = 0;
  // Texts that must never be seen in a log, an error or a plan, besides the values of secrets.
  virtual std::vector<std::string> Tokens() const { return {}; }
};

struct SubjectEntry {
  std::string_view provider;
  std::unique_ptr<Subject> (*make)(FakeClock& clock, Logger& log);
};

// All of them; the suite checks that every registered provider has one.
const std::vector<SubjectEntry>& Subjects();

// Makes the registered provider `name` from the defaults of its settings and `values`.
Provider MakeRegistered(std::string_view name, const SettingValues& values, HttpClient& http,
                        const Clock& clock, Logger& log);

}  // namespace nodekeep::conformance
