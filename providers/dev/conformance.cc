// The dev store on a temporary file. It cannot hang, because it reads from memory.

#include <filesystem>
#include <mutex>
#include <thread>

#include "agent/base/go_json.h"
#include "tests/conformance/subject.h"
#include "tests/fakes/fake_http_client.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep::conformance {
namespace {

class DevSubject final : public Subject {
 public:
  DevSubject(FakeClock& clock, Logger& log) {
    Write();
    provider_ = MakeRegistered("dev", {{"path", dir_ / "store.yaml"}}, no_network_, clock, log);
  }

  Provider provider() override { return provider_; }

  Attributes Mount(const std::vector<std::string>& names) const override {
    std::string objects;
    for (const std::string& name : names) objects += "- objectName: " + name + "\n";
    return {{"objects", objects}};
  }

  std::vector<LoginChange> LoginChanges() const override {
    return {{"setting path", {}, {{}, {{"path", "/other"}}}}};
  }
  std::set<std::string> SettingsOutsideLogins() const override { return {}; }

  std::vector<BadInput> BadInputs() const override {
    return {
        {"file outside the volume", {{"objects", "- objectName: ../evil\n"}}, {"../evil"}},
        {"bad mode",
         {{"objects", "- objectName: cert\n  filePermission: 99999\n"}},
         {"cert", "filePermission"}},
        {"twice", Mount({"db", "db"}), {"db", "twice"}},
        {"unknown field", {{"objects", "- objectName: db\n  secretkey: x\n"}}, {"db", "secretKey"}},
        {"no objects", {}, {"objects"}},
        {"reserved typo",
         {{"objects", "- objectName: db\n"}, {"nodekeep/refreshafter", "1s"}},
         {"nodekeep/refreshafter"}},
    };
  }

  void Set(const std::string& name, const std::string& value, const std::string& account) override {
    secrets_[name] = {value, account};
    Publish();
  }

  void Remove(const std::string& name) override {
    secrets_.erase(name);
    Publish();
  }

  std::vector<Fault> Faults() override {
    return {
        {"read: not for this account",
         false,
         [this] { Set("a", "x", "nobody/none"); },
         ErrorCode::kDenied,
         {}},
        {"read: no such secret", false, [this] { Remove("a"); }, ErrorCode::kNotFound, {}},
        {"read: the store is gone",
         false,
         [this] {
           std::filesystem::remove(dir_ / "store.yaml");
           Await([this] { return CodeOfRead("marker") == ErrorCode::kTransient; });
         },
         ErrorCode::kTransient,
         {}},
    };
  }

  void ClearFaults() override { Publish(); }

  void AddCredentials(Identity&) override {}

 private:
  struct Stored {
    std::string value, account;
  };

  // Writes the store and waits until the provider has read it.
  void Publish() {
    ++generation_;
    Write();
    Await([this] { return !CodeOfRead("marker-" + std::to_string(generation_)); });
  }

  void Write() const {
    std::string text = "secrets:\n  marker-" + std::to_string(generation_) + ": x\n";
    for (const auto& [name, stored] : secrets_) {
      text += "  " + name + ": {value: " + GoJsonString(stored.value);
      if (!stored.account.empty()) text += ", serviceAccounts: [" + stored.account + "]";
      text += "}\n";
    }
    dir_.Replace("store.yaml", text);
  }

  std::optional<ErrorCode> CodeOfRead(const std::string& name) {
    SpcInput input;
    input.parameters = Mount({name});
    const ParsedMount mount = *provider_.spc->Parse(input);
    Credential any;
    any.token = SecretBytes("any/account");
    const Question question{mount.projections[0].ref, ""};
    const auto answers = provider_.backend->Fetch(Context(), *mount.options, any, {&question, 1});
    if (answers[0].ok()) return std::nullopt;
    return answers[0].error().code();
  }

  // The store's own thread watches it in real time.
  template <typename Condition>
  static void Await(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  }

  TempDir dir_;
  FakeHttpClient no_network_;
  std::map<std::string, Stored> secrets_;
  int generation_ = 0;
  Provider provider_;
};

}  // namespace

namespace dev {

std::unique_ptr<Subject> MakeSubject(FakeClock& clock, Logger& log) {
  return std::make_unique<DevSubject>(clock, log);
}

}  // namespace dev

}  // namespace nodekeep::conformance
