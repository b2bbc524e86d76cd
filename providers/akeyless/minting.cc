#include "providers/akeyless/minting.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/base/codecs.h"
#include "agent/base/comma_list.h"
#include "agent/base/duration.h"
#include "agent/base/json.h"
#include "agent/base/utf8.h"
#include "providers/akeyless/catalog.h"
#include "providers/akeyless/keys.h"

namespace nodekeep::akeyless {
namespace {

constexpr Duration kDynamicLifetime = std::chrono::minutes(60);

// The command of an order, with the key pair for its certificate.
struct Minting {
  Command command;
  CertificateKey key;  // kPki
  SshKey ssh_key;      // kSsh
};

std::string_view ErrorText(ItemKind kind) {
  switch (kind) {
    case ItemKind::kPki: return "can't get pki certificate";
    case ItemKind::kSsh: return "can't get ssh certificate";
    default: return "can't get dynamic secret value";
  }
}

std::string_view NameOf(ItemKind kind) {
  return kind == ItemKind::kDynamic ? "secret" : "certificate issuer";
}

Result<Minting> DynamicSecret(const Caller& caller, const MintOrder& order) {
  const ItemRequest& request = order.request;
  // Credentials that a producer creates after our timeout stay valid at the target, unused.
  const Duration longest = caller.api.LongestExchange(caller.context);
  if (const std::chrono::seconds timeout(request.timeout_seconds); timeout >= longest) {
    return Error::Format(ErrorCode::kDeadlineExceeded,
                         "nodekeep/arguments: timeout {} is not within the {} that the agent can "
                         "wait: lower it, or raise fetch.budget and providers.akeyless.timeout of "
                         "the node; nothing was requested",
                         FormatDuration(timeout), FormatDuration(longest));
  }
  RequestBody body = caller.Body();
  body.Text("name", order.path)
      .Text("host", request.host)
      .Text("target", request.target)
      .Text("dbname", request.db_name);
  if (!request.args.empty()) body.Texts("args", request.args);
  if (request.timeout_seconds > 0) body.Number("timeout", request.timeout_seconds);
  return Minting{{"get-dynamic-secret-value", body.Take()}, {}, {}};
}

Result<Minting> PkiCertificate(const Caller& caller, const MintOrder& order) {
  const ItemRequest& request = order.request;
  Result<CertificateKey> key =
      MakeCertificateKey(request.key_type, request.common_name, SplitCommas(request.alt_names),
                         SplitCommas(request.uri_sans));
  if (!key.ok()) return key.error();
  RequestBody body = caller.Body();
  body.Text("cert-issuer-name", order.path)
      .Text("common-name", request.common_name)
      .Text("alt-names", request.alt_names)
      .Text("uri-sans", request.uri_sans)
      .Text("extended-key-usage", request.extended_key_usage)
      .Text("csr-data-base64", Base64Encode(key->request_pem));
  if (request.ttl_seconds > 0) body.Text("ttl", fmt::format("{}s", request.ttl_seconds));
  return Minting{{"get-pki-certificate", body.Take()}, *std::move(key), {}};
}

Result<Minting> SshCertificate(const Caller& caller, const MintOrder& order) {
  const ItemRequest& request = order.request;
  Result<SshKey> key = MakeSshKey(request.key_type);
  if (!key.ok()) return key.error();
  RequestBody body = caller.Body();
  body.Text("cert-issuer-name", order.path)
      .Text("cert-username", request.username)
      .Text("public-key-data", key->public_text);
  if (request.ttl_seconds > 0) body.Number("ttl", request.ttl_seconds);
  return Minting{{"get-ssh-certificate", body.Take()}, {}, *std::move(key)};
}

Result<Minting> Prepare(const Caller& caller, const MintOrder& order) {
  switch (order.request.kind) {
    case ItemKind::kPki: return PkiCertificate(caller, order);
    case ItemKind::kSsh: return SshCertificate(caller, order);
    default: return DynamicSecret(caller, order);
  }
}

// "60m", "1h30m", "3600s", or a plain number of minutes.
std::optional<Duration> TtlOf(std::string_view text) {
  constexpr std::int64_t kMost = 10'000'000;
  constexpr Duration kLongest = std::chrono::hours(24 * 365 * 10);
  Duration total = Duration::zero();
  while (!text.empty()) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 0 || number > kMost) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const char unit = text.empty() ? 'm' : text.front();
    if (!text.empty()) text.remove_prefix(1);
    switch (unit) {
      case 's': total += std::chrono::seconds(number); break;
      case 'm': total += std::chrono::minutes(number); break;
      case 'h': total += std::chrono::hours(number); break;
      case 'd': total += std::chrono::hours(24 * number); break;
      default: return std::nullopt;
    }
    if (total > kLongest) return std::nullopt;
  }
  return total > Duration::zero() ? std::optional(total) : std::nullopt;
}

Answer AnswerOf(const MintOrder& order, Json value, Duration lifetime) {
  Item item;
  item.kind = order.request.kind;
  item.name = WithSlash(order.path);
  item.value = std::move(value);
  Answer answer;
  answer.value = PackItem(item);
  answer.lifetime = lifetime;
  return answer;
}

Result<Answer> Credentials(const Caller& caller, const MintOrder& order, Json reply) {
  // Some producers report a failure inside a 200 reply.
  if (const std::string error = TextOf(Find(reply, {"error"})).value_or(""); !error.empty()) {
    return Error(ErrorCode::kPrecondition, "the producer failed; see its log at the gateway");
  }
  std::optional<Duration> lifetime =
      TtlOf(ScalarText(Find(reply, {"ttl_in_minutes"})).value_or(""));
  if (!lifetime) {
    Result<Description> described = DescribeOne(caller, order.path);
    if (described.ok()) lifetime = TtlOf(described->user_ttl);
  }
  return AnswerOf(order, std::move(reply), lifetime.value_or(kDynamicLifetime));
}

Result<Answer> Certificate(const MintOrder& order, const Minting& minting, const Json& reply,
                           WallTime now) {
  const std::string text = TextOf(Find(reply, {"data"})).value_or("");
  const bool pki = order.request.kind == ItemKind::kPki;
  Result<WallTime> end = pki ? PemCertificateEnd(text) : SshCertificateEnd(text);
  if (!end.ok()) return end.error();
  const Duration lifetime = std::chrono::floor<Duration>(*end - now);
  if (lifetime <= Duration::zero()) {
    return Error(ErrorCode::kPrecondition,
                 "the certificate had expired when it arrived: check the node's clock and the "
                 "issuer's ttl");
  }
  Json value(jsoncons::json_object_arg);
  if (pki) {
    value.insert_or_assign("certificate_pem", text);
    value.insert_or_assign("private_key_pem", std::string(minting.key.private_pem.Reveal()));
    if (std::string parent = TextOf(Find(reply, {"parent_cert"})).value_or(""); !parent.empty()) {
      value.insert_or_assign("ca_pem", std::move(parent));
    }
  } else {
    value.insert_or_assign("certificate", text);
    value.insert_or_assign("private_key", std::string(minting.ssh_key.private_text.Reveal()));
    value.insert_or_assign("public_key", minting.ssh_key.public_text);
  }
  return AnswerOf(order, std::move(value), lifetime);
}

}  // namespace

std::vector<Result<Answer>> Mint(const Caller& caller, const Clock& clock,
                                 const std::vector<MintOrder>& orders) {
  std::vector<std::optional<Result<Answer>>> minted(orders.size());
  std::vector<Command> commands;
  std::vector<Minting> mintings;
  std::vector<std::size_t> sent;  // index in `orders` of each minting
  for (std::size_t i = 0; i < orders.size(); ++i) {
    Result<Minting> minting = Prepare(caller, orders[i]);
    if (!minting.ok()) {
      minted[i] = minting.error();
      continue;
    }
    commands.push_back(std::move(minting->command));
    mintings.push_back(*std::move(minting));
    sent.push_back(i);
  }
  std::vector<Result<Json>> replies;
  if (!commands.empty()) replies = caller.SendAll(Step::kMint, commands);
  for (std::size_t j = 0; j < replies.size(); ++j) {
    const MintOrder& order = orders[sent[j]];
    if (!replies[j].ok()) {
      minted[sent[j]] = replies[j].error();
    } else if (order.request.kind == ItemKind::kDynamic) {
      minted[sent[j]] = Credentials(caller, order, *std::move(replies[j]));
    } else {
      minted[sent[j]] = Certificate(order, mintings[j], *replies[j], clock.Wall());
    }
  }
  std::vector<Result<Answer>> answers;
  for (std::size_t i = 0; i < orders.size(); ++i) {
    answers.push_back(
        minted[i]->ok()
            ? *std::move(minted[i])
            : NotThere(minted[i]->error(), NameOf(orders[i].request.kind), orders[i].path)
                  .Prepend("{}: {}", ErrorText(orders[i].request.kind), Excerpt(orders[i].path)));
  }
  return answers;
}

}  // namespace nodekeep::akeyless
