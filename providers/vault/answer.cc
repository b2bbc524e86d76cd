// What upstream makes of a response: docs/protocol/secret-provider-class.md, "vault reads".

#include "providers/vault/answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "agent/base/go_json.h"
#include "agent/base/go_text.h"
#include "agent/base/utf8.h"
#include "agent/secrets/property.h"

namespace nodekeep::vault {
namespace {

constexpr std::size_t kMaxServerText = 1024;
constexpr std::int64_t kTenYears = 10ll * 365 * 24 * 3600;

bool IsSet(const Json* value) { return value != nullptr && !value->is_null(); }

std::string Kv2Version(const Json& data) {
  const Json* metadata = Find(data, {"metadata"});
  if (Find(data, {"data"}) == nullptr || metadata == nullptr || !metadata->is_object()) return "";
  std::optional<std::int64_t> version = IntOf(Find(*metadata, {"version"}));
  std::optional<std::string> created = TextOf(Find(*metadata, {"created_time"}));
  if (!version || !created) return "";
  std::string text = fmt::format("kv2:{}:{}", *version, *created);
  // custom_metadata can change without a new version, and whole-response files contain it.
  const Json* custom = Find(*metadata, {"custom_metadata"});
  if (IsSet(custom)) text += ":" + Sha256Hex(GoJson(*custom).Reveal()).substr(0, 16);
  return text;
}

std::string VersionOf(const Json* data, const SecretBytes& version_key) {
  if (data == nullptr) return "";
  if (data->is_object()) {
    if (std::string version = Kv2Version(*data); !version.empty()) return version;
  }
  return "hmac:" + HexEncode(HmacSha256(version_key, {GoJson(*data).Reveal()}).Reveal());
}

// The expiry that the data itself states; zero when it states none.
Duration StatedLifetime(const Json* data, WallTime now) {
  if (data == nullptr || !data->is_object()) return Duration::zero();
  const Json* expires = Find(*data, {"serial_number"}) != nullptr
                            ? Find(*data, {"expiration"})
                            : Find(*data, {"expires_at_seconds"});
  std::optional<std::int64_t> epoch = IntOf(expires);
  if (!epoch || *epoch <= 0) return Duration::zero();
  const std::int64_t seconds =
      std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  // A second, not zero: zero would mean that it never expires.
  return std::chrono::seconds(std::clamp<std::int64_t>(*epoch - seconds, 1, kTenYears));
}

Error EmptyResponse(std::string_view path, const Json* warnings) {
  std::string list;
  if (warnings != nullptr && warnings->is_array()) {
    for (const Json& warning : warnings->array_range()) {
      if (!list.empty()) list += ' ';
      list += TextOf(warning).value_or("");
    }
  }
  return Error::Format(ErrorCode::kNotFound, "empty response from \"{}\", warnings: [{}]",
                       Excerpt(ShownPath(path)), OneLine(list, kMaxServerText));
}

Error NotTheApi(std::string_view path, std::string_view why) {
  return Error::Format(
      ErrorCode::kTransient,
      "error requesting secret: the reply for \"{}\" is not a Vault response ({}): "
      "is vaultAddress right, or a proxy in between?",
      Excerpt(ShownPath(path)), why);
}

// A member of the envelope as Go prints it, `absent` when it is missing or null.
void AppendMember(GoJsonObject& out, std::string_view name, const Json* value,
                  std::string_view absent) {
  if (IsSet(value)) {
    out.Raw(name, GoJson(*value).Reveal());
  } else {
    out.Raw(name, absent);
  }
}

// request_id first, then the members in the order of the client library's struct, not sorted.
SecretBytes WholeResponse(const Json& reply) {
  GoJsonObject out;
  AppendMember(out, "request_id", Find(reply, {"request_id"}), R"("")");
  AppendMember(out, "lease_id", Find(reply, {"lease_id"}), R"("")");
  AppendMember(out, "lease_duration", Find(reply, {"lease_duration"}), "0");
  AppendMember(out, "renewable", Find(reply, {"renewable"}), "false");
  AppendMember(out, "data", Find(reply, {"data"}), "null");
  AppendMember(out, "warnings", Find(reply, {"warnings"}), "null");
  for (std::string_view name : {"auth", "wrap_info"}) {
    if (const Json* value = Find(reply, {name}); IsSet(value)) AppendMember(out, name, value, "");
  }
  if (const Json* type = Find(reply, {"mount_type"}); !TextOf(type).value_or("").empty()) {
    AppendMember(out, "mount_type", type, "");
  }
  return out.Finish();
}

// The value that a projection with a field or a property takes from a response.
Result<SecretBytes> ContentsOf(const Projection& projection, const Json& reply) {
  const Json* value = Find(reply, {"data", "data"});
  if (value == nullptr || !value->is_object()) value = Find(reply, {"data"});
  if (value != nullptr && !value->is_object()) value = nullptr;
  std::string what = "the secret";
  if (!projection.field.empty()) {
    if (value != nullptr) value = Find(*value, {projection.field});
    what = fmt::format("key \"{}\"", Excerpt(projection.field));
  }
  if (value == nullptr) {
    return Error::Format(ErrorCode::kNotFound, "{} does not exist at the secret path", what);
  }
  Json found = *value;
  if (!projection.property.empty()) {
    Result<Json> inside = PropertyOf(*value, projection.property, what);
    if (!inside.ok()) return inside.error();
    found = *std::move(inside);
    what = fmt::format("property \"{}\" of {}", Excerpt(projection.property), what);
  }
  if (found.is_null() && projection.nulls == NullValues::kRefuse) {
    return NoValue(
        what, "; nodekeep/nullValues: text in the class writes the text \"null\", as upstream");
  }
  return Decode(projection.encoding, FileTextOf(found));
}

}  // namespace

Duration SecondsOf(const Json* value) {
  const std::int64_t seconds = IntOf(value).value_or(0);
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, kTenYears));
}

std::string_view ShownPath(std::string_view api_path) {
  return api_path.starts_with("/v1/") ? api_path.substr(4) : api_path;
}

Result<Answer> ReadAnswer(const Question& question, HttpResponse response,
                          const SecretBytes& version_key, WallTime now) {
  const std::string& path = question.ref.path;
  if (response.status == 204 || response.body.empty()) return EmptyResponse(path, nullptr);
  Result<Json> reply = ParseJson(response.body.Reveal());
  if (!reply.ok()) return NotTheApi(path, reply.error().message());
  if (!reply->is_object()) return NotTheApi(path, "not a JSON object");
  const Json* data = Find(*reply, {"data"});
  if (IsSet(data) && !data->is_object()) return NotTheApi(path, "\"data\" is not an object");
  if (!IsSet(data) && !IsSet(Find(*reply, {"auth"})) && !IsSet(Find(*reply, {"wrap_info"}))) {
    return EmptyResponse(path, Find(*reply, {"warnings"}));
  }

  Answer answer;
  answer.version = VersionOf(data, version_key);
  const std::string lease_id = TextOf(Find(*reply, {"lease_id"})).value_or("");
  if (!lease_id.empty()) {
    answer.lease = Lease{lease_id, SecondsOf(Find(*reply, {"lease_duration"})),
                         BoolOf(Find(*reply, {"renewable"})).value_or(false)};
    answer.lifetime = answer.lease->lifetime;
  } else {
    answer.lifetime = StatedLifetime(data, now);
  }
  if (!answer.version.empty() && answer.version == question.known_version && !answer.lease &&
      answer.lifetime == Duration::zero()) {
    answer.unchanged = true;
    return answer;
  }
  answer.value = std::move(response.body);
  return answer;
}

Result<SecretBytes> RenderAnswer(const Projection& projection, const SecretBytes& answer) {
  Result<Json> reply = ParseJson(answer.Reveal());
  if (!reply.ok()) return reply.error().Prepend("{{{}}}", Excerpt(ShownPath(projection.ref.path)));
  if (projection.field.empty() && projection.property.empty()) return WholeResponse(*reply);
  Result<SecretBytes> contents = ContentsOf(projection, *reply);
  if (contents.ok()) return contents;
  return Error::Format(contents.error().code(), "{{{}}}: {{{}}}",
                       Excerpt(ShownPath(projection.ref.path)), contents.error().message());
}

}  // namespace nodekeep::vault
