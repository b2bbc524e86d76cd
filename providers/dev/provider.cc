#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "agent/base/codecs.h"
#include "agent/base/json.h"
#include "agent/base/utf8.h"
#include "agent/secrets/property.h"
#include "providers/dev/dev.h"
#include "providers/dev/store.h"

namespace nodekeep {
namespace {

Result<Json> ValueOfKey(const Projection& projection, const SecretBytes& answer) {
  Result<Json> json = ParseJson(answer.Reveal());
  if (!json.ok() || !json->is_object()) {
    return Error::Format(ErrorCode::kInvalid,
                         "secretKey \"{}\" needs a secret with values, or a JSON object as its "
                         "text; \"{}\" is neither",
                         Excerpt(projection.field), Excerpt(projection.ref.path));
  }
  const Json* value = Find(*json, {projection.field});
  if (value == nullptr) {
    return Error::Format(ErrorCode::kNotFound, "key \"{}\" does not exist in secret \"{}\"",
                         Excerpt(projection.field), Excerpt(projection.ref.path));
  }
  return *value;
}

// The value of a projection with a key, a property, or both.
Result<SecretBytes> ValueInside(const Projection& projection, const SecretBytes& answer) {
  std::string what = fmt::format("secret \"{}\"", Excerpt(projection.ref.path));
  Result<Json> value(Json(std::string(answer.Reveal())));
  if (!projection.field.empty()) {
    value = ValueOfKey(projection, answer);
    what = fmt::format("key \"{}\" of {}", Excerpt(projection.field), what);
  }
  if (value.ok() && !projection.property.empty()) {
    value = PropertyOf(*value, projection.property, what);
    what = fmt::format("property \"{}\" of {}", Excerpt(projection.property), what);
  }
  if (!value.ok()) return value.error();
  if (value->is_null()) return NoValue(what);
  return FileTextOf(*value);
}

class DevDialect final : public SpcDialect {
 public:
  DevDialect(std::string path, Policy policy) : path_(std::move(path)), policy_(policy) {}

  Result<ParsedMount> Parse(const SpcInput& input) const override {
    return dev::ParseMount(input, path_, policy_);
  }
  Result<std::vector<RenderedFile>> RenderFiles(const Projection& projection,
                                                const SecretBytes& answer) const override {
    Result<SecretBytes> value = projection.field.empty() && projection.property.empty()
                                    ? answer.Clone()
                                    : ValueInside(projection, answer);
    if (value.ok()) value = Decode(projection.encoding, *std::move(value));
    if (!value.ok()) return value.error().Prepend("dev: object \"{}\"", Excerpt(projection.object));
    return OneFile(projection, std::move(value));
  }

 private:
  const std::string path_;
  const Policy policy_;
};

class DevBackend final : public Backend {
 public:
  DevBackend(DevSettings settings, const Clock& clock, Logger& log)
      : clock_(clock),
        store_(settings.path, std::move(settings.version_key), log,
               std::move(settings.on_exception)) {}

  // There is no login. The credential is the name of the service account. Access to the store
  // depends on nothing else, because DevStore::Read decides it, so all pods of the account may
  // share what is read.
  Result<Credential> Authenticate(const Context& context, const ProviderOptions&,
                                  const Identity& identity) override {
    if (Status over = context.Check(clock_); !over.ok()) return over.error();
    Credential credential;
    credential.token = SecretBytes(identity.namespace_name + "/" + identity.service_account);
    credential.sharing = Sharing::kServiceAccount;
    credential.service_account_uid = identity.service_account_uid;
    return credential;
  }

  std::vector<Result<Answer>> Fetch(const Context& context, const ProviderOptions&,
                                    const Credential& credential,
                                    std::span<const Question> questions) override {
    const std::string account(credential.token.Reveal());
    std::vector<Result<Answer>> answers;
    answers.reserve(questions.size());
    for (const Question& question : questions) {
      answers.push_back(AnswerTo(context, account, question));
    }
    return answers;
  }

 private:
  Result<Answer> AnswerTo(const Context& context, const std::string& account,
                          const Question& question) const {
    if (Status over = context.Check(clock_); !over.ok()) return over.error();
    Result<dev::StoreAnswer> found =
        store_.Read(question.ref.path, question.ref.version, account, question.known_version);
    if (!found.ok()) return found.error();
    Answer answer;
    answer.value = std::move(found->value);
    answer.version = std::move(found->version);
    answer.unchanged = found->unchanged;
    return answer;
  }

  const Clock& clock_;
  dev::DevStore store_;
};

}  // namespace

Provider MakeDevProvider(DevSettings settings, const Clock& clock, Logger& log) {
  std::error_code failed;
  const std::filesystem::path whole = std::filesystem::absolute(settings.path, failed);
  if (!failed) settings.path = whole.lexically_normal().string();
  // "/etc/store/" is the directory "/etc/store".
  if (settings.path.size() > 1 && settings.path.back() == '/') settings.path.pop_back();
  auto dialect = std::make_shared<DevDialect>(settings.path, settings.policy);
  return {std::make_shared<DevBackend>(std::move(settings), clock, log), std::move(dialect)};
}

}  // namespace nodekeep
