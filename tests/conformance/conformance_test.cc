// Requirements on every provider, run against each of them. providers/README.md explains how to
// add a provider to the suite.

#include <algorithm>
#include <barrier>
#include <catch2/catch_test_macros.hpp>
#include <set>
#include <thread>

#include "tests/conformance/subject.h"
#include "tests/fakes/capture_stderr.h"
#include "tests/fakes/core.h"
#include "tests/fakes/counting_backend.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep::conformance {
namespace {

// A subject with its clock, and the steps that test cases share.
struct Bed {
  explicit Bed(const SubjectEntry& entry, LogLevel level = LogLevel::kOff)
      : name(entry.provider), log(level, LogFormat::kJson), subject(entry.make(clock, log)) {}

  SpcInput Input(const Attributes& attributes) const {
    SpcInput input;
    input.parameters = attributes;
    return input;
  }

  Result<ParsedMount> Parse(const Attributes& attributes) const {
    return subject->provider().spc->Parse(Input(attributes));
  }
  ParsedMount Mount(const std::vector<std::string>& names) const {
    return *Parse(subject->Mount(names));
  }

  Identity Pod(const std::string& pod = "web-0", const std::string& account = "web") {
    Identity identity = MakeIdentity("shop", pod, account);
    subject->AddCredentials(identity);
    return identity;
  }

  Result<Credential> LogIn(const Context& context, const ParsedMount& mount) {
    return subject->provider().backend->Authenticate(context, *mount.options, Pod());
  }

  std::vector<Result<Answer>> Fetch(const Context& context, const ParsedMount& mount,
                                    const Credential& credential,
                                    const std::string& known_version = "") {
    std::vector<Question> questions;
    for (const Projection& projection : mount.projections) {
      questions.push_back({projection.ref, known_version});
    }
    return subject->provider().backend->Fetch(context, *mount.options, credential, questions);
  }

  // Logs in and reads "a" under `context`; returns the first error.
  Result<Answer> ReadA(const Context& context) {
    const ParsedMount mount = Mount({"a"});
    Result<Credential> credential = LogIn(context, mount);
    if (!credential.ok()) return credential.error();
    return std::move(Fetch(context, mount, *credential).front());
  }

  std::string Rendered(const ParsedMount& mount, std::size_t i, const Result<Answer>& answer) {
    if (!answer.ok()) return "(" + std::string(ErrorCodeName(answer.error().code())) + ")";
    const auto files = subject->provider().spc->RenderFiles(mount.projections[i], answer->value);
    return files.ok() ? std::string(files->at(0).contents.Reveal()) : "(not rendered)";
  }

  const std::string name;
  FakeClock clock;
  Logger log;
  const std::unique_ptr<Subject> subject;
};

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Runs `body` once per provider, in a section named after it.
template <typename Body>
void ForEachProvider(Body body) {
  for (const SubjectEntry& entry : Subjects()) {
    DYNAMIC_SECTION(entry.provider) { body(entry); }
  }
}

}  // namespace

TEST_CASE("conformance: every registered provider takes part") {
  std::set<std::string_view> registered, taking_part;
  for (const ProviderEntry& entry : ProviderRegistry()) registered.insert(entry.name);
  for (const SubjectEntry& entry : Subjects()) taking_part.insert(entry.provider);
  CHECK(registered == taking_part);
}

TEST_CASE("conformance: the error for invalid parameters names the object or the parameter") {
  ForEachProvider([](const SubjectEntry& entry) {
    Bed bed(entry);
    REQUIRE_FALSE(bed.subject->BadInputs().empty());
    for (const BadInput& bad : bed.subject->BadInputs()) {
      INFO(bad.name);
      Result<ParsedMount> mount = bed.Parse(bad.attributes);
      REQUIRE_FALSE(mount.ok());
      INFO(mount.error().message());
      CHECK(mount.error().code() == ErrorCode::kInvalid);
      for (const std::string& named : bad.named) CHECK(Contains(mount.error().message(), named));
    }
  });
}

TEST_CASE(
    "conformance: a class is limited in size, and the error does not quote what is too long") {
  ForEachProvider([](const SubjectEntry& entry) {
    Bed bed(entry);
    const auto with = [&](const std::string& name, const std::string& value) {
      Attributes attributes = bed.subject->Mount({"a"});
      attributes[name] = value;
      return attributes;
    };
    Attributes many = bed.subject->Mount({"a"});
    for (int i = 0; i < 129; ++i) many["ignored" + std::to_string(i)] = "v";
    const std::string value(300000, 'v');
    const std::pair<Attributes, std::string> rows[] = {
        {with("ignored", value), "parameter ignored has 300000 bytes"},
        {with("objects", value), "parameter objects has 300000 bytes"},
        {many, "parameters; 128 are the most"},
    };
    for (const auto& [attributes, want] : rows) {
      INFO(want);
      const Result<ParsedMount> mount = bed.Parse(attributes);
      REQUIRE_FALSE(mount.ok());
      CHECK(Contains(mount.error().message(), want));
      CHECK_FALSE(Contains(mount.error().message(), "vvv"));
    }
  });
}

TEST_CASE("conformance: parsing is pure: equal parameters give equal plans") {
  ForEachProvider([](const SubjectEntry& entry) {
    Bed bed(entry);
    const ParsedMount one = bed.Mount({"a", "b"});
    const ParsedMount two = bed.Mount({"a", "b"});
    CHECK(one.options->LoginText() == two.options->LoginText());
    CHECK_FALSE(one.options->LoginText().empty());
    CHECK(one.policy == two.policy);
    REQUIRE(one.projections.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(one.projections[i].ref == two.projections[i].ref);
      CHECK(one.projections[i].path == two.projections[i].path);
      CHECK(one.projections[i].ref.provider == bed.name);
      CHECK_FALSE(one.projections[i].ref.endpoint.empty());
    }
  });
}

TEST_CASE("conformance: every option that affects what a login may access is part of its key") {
  ForEachProvider([](const SubjectEntry& entry) {
    Bed bed(entry);
    FakeHttpClient no_network;
    const auto key_of = [&](const LoginChange::Login& login) {
      const Provider provider =
          MakeRegistered(bed.name, login.settings, no_network, bed.clock, bed.log);
      Attributes parameters = bed.subject->Mount({"a"});
      for (const auto& [name, value] : login.parameters) parameters[name] = value;
      const Result<ParsedMount> mount = provider.spc->Parse(bed.Input(parameters));
      INFO((mount.ok() ? "" : mount.error().message()));
      REQUIRE(mount.ok());
      return LoginKeysOf(bed.name, *mount->options, bed.Pod()).own;
    };
    std::set<std::string> settings = bed.subject->SettingsOutsideLogins();
    for (const LoginChange& change : bed.subject->LoginChanges()) {
      INFO(change.option);
      CHECK(key_of(change.before) == key_of(change.before));
      CHECK(key_of(change.before) != key_of(change.after));
      constexpr std::string_view kSetting = "setting ";
      if (change.option.starts_with(kSetting))
        settings.insert(change.option.substr(kSetting.size()));
    }
    for (const ProviderEntry& registered : ProviderRegistry()) {
      if (registered.name != bed.name) continue;
      for (const SettingKey& key : registered.settings()) {
        INFO("setting " << key.name << ": is it part of logins?");
        CHECK(settings.contains(std::string(key.name)));
      }
    }
  });
}

TEST_CASE("conformance: a batch returns one independent answer per question, in order") {
  ForEachProvider([](const SubjectEntry& entry) {
    Bed bed(entry);
    std::vector<std::string> names;
    for (int i = 0; i < 12; ++i) {
      // The sorted order differs from the request order.
      names.push_back("s" + std::to_string((i * 7) % 12));
      if (i != 5) bed.subject->Set(names.back(), "value of " + names.back());
    }
    const ParsedMount mount = bed.Mount(names);
    Result<Credential> credential = bed.LogIn(Context(), mount);
    REQUIRE(credential.ok());
    const auto answers = bed.Fetch(Context(), mount, *credential);
    REQUIRE(answers.size() == names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      INFO(names[i]);
      CHECK(bed.Rendered(mount, i, answers[i]) ==
            (i == 5 ? "(not_found)" : "value of " + names[i]));
    }
  });
}

TEST_CASE("conformance: an empty batch returns no answers") {
  ForEachProvider([](const SubjectEntry& entry) {
    Bed bed(entry);
    const ParsedMount mount = bed.Mount({"a"});
    Result<Credential> credential = bed.LogIn(Context(), mount);
    REQUIRE(credential.ok());
    CHECK(
        bed.subject->provider().backend->Fetch(Context(), *mount.options, *credential, {}).empty());
  });
}

TEST_CASE("conformance: a known version is reported as unchanged until the value changes") {
  ForEachProvider([](const SubjectEntry& entry) {
    Bed bed(entry);
    bed.subject->Set("a", "one");
    const ParsedMount mount = bed.Mount({"a"});
    Result<Credential> credential = bed.LogIn(Context(), mount);
    REQUIRE(credential.ok());
    const auto first = bed.Fetch(Context(), mount, *credential);
    REQUIRE(first[0].ok());
    REQUIRE_FALSE(first[0]->unchanged);
    const std::string version = first[0]->version;
    REQUIRE_FALSE(version.empty());
    CHECK_FALSE(Contains(version, "one"));

    const auto again = bed.Fetch(Context(), mount, *credential, version);
    REQUIRE(again[0].ok());
    CHECK(again[0]->unchanged);
    CHECK(again[0]->value.empty());

    bed.subject->Set("a", "two");
    const auto changed = bed.Fetch(Context(), mount, *credential, version);
    CHECK(bed.Rendered(mount, 0, changed[0]) == "two");
    CHECK(changed[0]->version != version);

    const auto other = bed.Fetch(Context(), mount, *credential, "an unknown version");
    CHECK(bed.Rendered(mount, 0, other[0]) == "two");
  });
}

TEST_CASE("conformance: backend faults map to the right error codes, and the provider recovers") {
  ForEachProvider([](const SubjectEntry& entry) {
    Bed bed(entry);
    const ParsedMount mount = bed.Mount({"a"});
    for (const Fault& fault : bed.subject->Faults()) {
      INFO(fault.name);
      bed.subject->Set("a", "value");
      Result<Credential> before = bed.LogIn(Context(), mount);
      REQUIRE(before.ok());

      fault.inject();
      std::optional<Error> error;
      if (fault.at_login) {
        Result<Credential> credential = bed.LogIn(Context(), mount);
        if (!credential.ok()) error = credential.error();
      } else {
        const auto answers = bed.Fetch(Context(), mount, *before);
        if (!answers[0].ok()) error = answers[0].error();
      }
      REQUIRE(error);
      INFO(error->message());
      CHECK(ErrorCodeName(error->code()) == ErrorCodeName(fault.want));
      CHECK(error->retry_after() == fault.retry_after);
      CHECK_FALSE(error->message().ends_with('.'));

      bed.subject->ClearFaults();
      bed.subject->Set("a", "healed");
      Result<Answer> answer = bed.ReadA(Context());
      REQUIRE(answer.ok());
      CHECK(bed.Rendered(mount, 0, answer) == "healed");
    }
  });
}

TEST_CASE("conformance: a call with an already cancelled context fails with kCancelled") {
  ForEachProvider([](const SubjectEntry& entry) {
    Bed bed(entry);
    bed.subject->Set("a", "value");
    std::stop_source stop;
    stop.request_stop();
    Result<Answer> cancelled = bed.ReadA(Context(SteadyTime::max(), stop.get_token()));
    REQUIRE_FALSE(cancelled.ok());
    CHECK(cancelled.error().code() == ErrorCode::kCancelled);
  });
}

TEST_CASE("conformance: a call to a hanging backend ends at its deadline") {
  ForEachProvider([](const SubjectEntry& entry) {
    Bed bed(entry);
    bed.subject->Set("a", "value");
    const ParsedMount mount = bed.Mount({"a"});
    Result<Credential> credential = bed.LogIn(Context(), mount);
    REQUIRE(credential.ok());
    const Context context(bed.clock.Now() + std::chrono::seconds(3), {});
    if (!bed.subject->Hang()) {
      bed.clock.Advance(std::chrono::seconds(4));
      Result<Answer> late = bed.ReadA(context);
      REQUIRE_FALSE(late.ok());
      CHECK(late.error().code() == ErrorCode::kDeadlineExceeded);
      return;
    }
    std::optional<Error> login, read;
    std::jthread logging_in([&] {
      Result<Credential> result = bed.LogIn(context, mount);
      if (!result.ok()) login = result.error();
    });
    bed.subject->AwaitCall();
    std::jthread reading([&] {
      const auto answers = bed.Fetch(context, mount, *credential);
      if (!answers[0].ok()) read = answers[0].error();
    });
    bed.subject->AwaitCall();
    bed.clock.Advance(std::chrono::seconds(4));
    logging_in.join();
    reading.join();
    REQUIRE(login);
    CHECK(login->code() == ErrorCode::kDeadlineExceeded);
    REQUIRE(read);
    CHECK(read->code() == ErrorCode::kDeadlineExceeded);
  });
}

TEST_CASE("conformance: a call to a hanging backend ends when it is cancelled") {
  ForEachProvider([](const SubjectEntry& entry) {
    Bed bed(entry);
    bed.subject->Set("a", "value");
    const ParsedMount mount = bed.Mount({"a", "b", "c"});
    Result<Credential> credential = bed.LogIn(Context(), mount);
    REQUIRE(credential.ok());
    if (!bed.subject->Hang()) return;  // covered by the case of a cancelled context
    std::stop_source stop;
    std::vector<ErrorCode> codes;
    std::jthread reading([&] {
      const auto answers =
          bed.Fetch(Context(SteadyTime::max(), stop.get_token()), mount, *credential);
      for (const auto& answer : answers) {
        if (!answer.ok()) codes.push_back(answer.error().code());
      }
    });
    bed.subject->AwaitCall();
    stop.request_stop();
    reading.join();
    CHECK(codes == std::vector<ErrorCode>(3, ErrorCode::kCancelled));
  });
}

TEST_CASE("conformance: no secret or token appears in a log, an error or a plan") {
  ForEachProvider([](const SubjectEntry& entry) {
    std::string seen;
    CaptureStderr captured;
    {
      Bed bed(entry, LogLevel::kDebug);
      Core core(bed.clock, {.log_level = LogLevel::kDebug});
      bed.subject->Set("a", "canary-value");
      bed.subject->Set("b", R"({"canary-key":"canary"})");
      const auto fetch = [&](const std::vector<std::string>& names) {
        auto plan =
            MakePlan(bed.subject->provider(), bed.name, bed.subject->Mount(names), bed.Pod());
        REQUIRE(plan.ok());
        seen += (*plan)->Explain();
        seen += (*plan)->parsed->mount.options->LoginText() + "\n";
        for (const PlannedRead& read : *(*plan)->read->reads) seen += read.ref->Text() + "\n";
        Result<Bundle> bundle = core.Fetch(*plan);
        if (!bundle.ok()) {
          seen += bundle.error().message() + "\n";
          return;
        }
        for (const ObjectVersion& version : bundle->versions) {
          seen += version.id + " " + version.version + "\n";
        }
      };
      fetch({"a", "b"});
      fetch({"a", "missing"});
      for (const Fault& fault : bed.subject->Faults()) {
        core.cache.Flush();
        for (const SessionPtr& session : core.credentials.Sessions()) {
          if (fault.at_login) core.credentials.Forget({session->scope});
        }
        fault.inject();
        // Lets throttling holds and cached denials expire, which would hide the next fault.
        bed.clock.Advance(std::chrono::minutes(1));
        bed.clock.AdvanceOnWait(true);
        fetch({"a", "b"});
        bed.clock.AdvanceOnWait(false);
        bed.subject->ClearFaults();
        bed.subject->Set("a", "canary-value");
      }
      for (const EntryInfo& info : core.cache.List()) {
        seen += info.key.scope + " " + info.key.ref.Text() + " " + info.version + "\n";
      }
      std::vector<std::string> never = bed.subject->Tokens();
      never.push_back("canary");
      seen += captured.Text();
      for (const std::string& secret : never) {
        INFO(secret);
        INFO(seen.substr(seen.find(secret) == std::string::npos ? 0 : seen.find(secret), 400));
        CHECK_FALSE(Contains(seen, secret));
      }
    }
    // The checks above would also pass if nothing had been captured.
    CHECK_FALSE(captured.Text().empty());
    CHECK(seen.size() > 500);
  });
}

TEST_CASE("conformance: many pods of one account share one login and one read of each secret") {
  ForEachProvider([](const SubjectEntry& entry) {
    constexpr int kPods = 32;
    Bed bed(entry);
    auto counting = std::make_shared<CountingBackend>(bed.subject->provider().backend);
    const Provider counted{counting, bed.subject->provider().spc};
    Core core(bed.clock);
    const std::vector<std::string> names = {"a", "b", "c"};
    for (const std::string& name : names) bed.subject->Set(name, "value of " + name);
    std::vector<MountPlanPtr> plans;
    for (int i = 0; i < kPods; ++i) {
      plans.push_back(*MakePlan(counted, bed.name, bed.subject->Mount(names),
                                bed.Pod("web-" + std::to_string(i))));
    }
    std::vector<std::optional<Result<Bundle>>> bundles(kPods);
    {
      std::barrier start(kPods);
      std::vector<std::jthread> callers;
      for (int i = 0; i < kPods; ++i) {
        callers.emplace_back([&, i] {
          start.arrive_and_wait();
          bundles[i] = core.Fetch(plans[i]);
        });
      }
    }
    for (const auto& bundle : bundles) {
      if (!bundle->ok()) FAIL(bundle->error().message());
      for (const std::string& name : names) {
        CHECK(ContentsOf(**bundle, name) == "value of " + name);
      }
    }
    CHECK(counting->logins() == 1);
    const auto reads = counting->reads();
    CHECK(reads.size() == names.size());
    for (const auto& [ref, count] : reads) {
      INFO(ref);
      CHECK(count == 1);
    }
  });
}

TEST_CASE("conformance: two tenants are never served each other's secrets") {
  ForEachProvider([](const SubjectEntry& entry) {
    constexpr int kPodsEach = 8;
    constexpr int kRounds = 20;
    Bed bed(entry);
    Core core(bed.clock);
    bed.subject->Set("of-red", "red", "shop/red");
    bed.subject->Set("of-blue", "blue", "shop/blue");
    bed.subject->Set("of-all", "all");
    struct Outcome {
      bool own_served = true, other_refused = true, common_served = true;
    };
    std::vector<Outcome> outcomes(2 * kPodsEach);
    std::vector<std::map<std::string, MountPlanPtr>> plans(outcomes.size());
    for (std::size_t i = 0; i < plans.size(); ++i) {
      const std::string account = i % 2 == 0 ? "red" : "blue";
      for (const std::string name : {"of-red", "of-blue", "of-all"}) {
        plans[i][name] = *MakePlan(bed.subject->provider(), bed.name, bed.subject->Mount({name}),
                                   bed.Pod("web-" + std::to_string(i / 2) + account, account));
      }
    }
    {
      std::barrier start(static_cast<std::ptrdiff_t>(plans.size()));
      std::vector<std::jthread> callers;
      for (std::size_t i = 0; i < plans.size(); ++i) {
        callers.emplace_back([&, i] {
          const std::string own = i % 2 == 0 ? "red" : "blue";
          const std::string other = i % 2 == 0 ? "blue" : "red";
          start.arrive_and_wait();
          for (int round = 0; round < kRounds; ++round) {
            Result<Bundle> mine = core.Fetch(plans[i]["of-" + own]);
            Result<Bundle> theirs = core.Fetch(plans[i]["of-" + other]);
            Result<Bundle> common = core.Fetch(plans[i]["of-all"]);
            outcomes[i].own_served &= mine.ok() && ContentsOf(*mine, "of-" + own) == own;
            outcomes[i].other_refused &=
                !theirs.ok() && theirs.error().code() == ErrorCode::kDenied;
            outcomes[i].common_served &= common.ok() && ContentsOf(*common, "of-all") == "all";
            if (round % 7 == 0) core.cache.Flush();
          }
        });
      }
    }
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      INFO("pod " << i);
      CHECK(outcomes[i].own_served);
      CHECK(outcomes[i].other_refused);
      CHECK(outcomes[i].common_served);
    }
  });
}

}  // namespace nodekeep::conformance
