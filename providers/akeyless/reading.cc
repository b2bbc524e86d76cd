#include "providers/akeyless/reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "providers/akeyless/item.h"
#include "providers/akeyless/keys.h"

namespace nodekeep::akeyless {
namespace {

constexpr std::size_t kMaxNamesPerCall = 100;
constexpr std::size_t kMaxFolderItems = 1000;
constexpr std::size_t kMaxPages = 64;
// Looking up a few items by listing their folder pays up to so many others in it.
constexpr std::size_t kListedPerItem = 20;
constexpr Duration kCrowdedFor = std::chrono::hours(1);
constexpr std::size_t kMaxCrowded = 1024;
constexpr std::chrono::seconds kConfirmCachedAfter(60);
constexpr std::chrono::seconds kReadAgainAfter(1800);
// When neither the reply nor the item says how long dynamic credentials live: the vendor's default.
constexpr Duration kDynamicLifetime = std::chrono::minutes(60);

// What describe-item and list-items say of an item.
struct Description {
  std::string name;  // the server's spelling
  std::string type;
  std::int64_t last_version = 0;
  std::string modified;
  std::string user_ttl;  // of a dynamic secret

  // Equal as long as nothing that the server tells of has changed. Holds no blank at its end.
  std::string Stamp() const {
    return fmt::format("{} {} {}", type, last_version, modified.empty() ? "-" : modified);
  }
};

Description DescriptionOf(const Json& item) {
  Description description;
  description.name = TextOf(Find(item, {"item_name"})).value_or("");
  description.type = TextOf(Find(item, {"item_type"})).value_or("");
  description.last_version = IntOf(Find(item, {"last_version"})).value_or(0);
  description.modified = TextOf(Find(item, {"modification_date"})).value_or("");
  description.user_ttl =
      ScalarText(Find(item, {"item_general_info", "dynamic_secret_producer_details", "user_ttl"}))
          .value_or("");
  return description;
}

std::string WithSlash(std::string_view path) {
  return path.starts_with('/') ? std::string(path) : "/" + std::string(path);
}

// "/app/" of "/app/db", "/" of "/db".
std::string FolderOf(const std::string& name) { return name.substr(0, name.rfind('/') + 1); }

// Answer::version: what the server says of the item, when we read it, and whether a gateway's cache
// may have answered.
std::string VersionText(const std::string& stamp, WallTime now, bool past_cache) {
  return fmt::format(
      "{} {} {}", stamp,
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count(),
      past_cache ? "read" : "cached");
}

bool IsCurrent(std::string_view known, const std::string& stamp, WallTime now) {
  if (known.size() <= stamp.size() || !known.starts_with(stamp) || known[stamp.size()] != ' ') {
    return false;
  }
  known.remove_prefix(stamp.size() + 1);
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(known.data(), known.data() + known.size(), seconds);
  if (error != std::errc()) return false;
  const bool cached = std::string_view(end, known.data() + known.size()) == " cached";
  const auto age = now - WallTime(std::chrono::seconds(seconds));
  return age >= Duration::zero() && age < (cached ? kConfirmCachedAfter : kReadAgainAfter);
}

// The kind of an item that is read by its type alone.
std::optional<ItemKind> ReadableKind(std::string_view type) {
  if (type == "STATIC_SECRET") return ItemKind::kStatic;
  if (type == "CERTIFICATE") return ItemKind::kCertificate;
  if (type == "ROTATED_SECRET") return ItemKind::kRotated;
  return std::nullopt;
}

Error Unsupported(const std::string& type, const std::string& path) {
  std::string_view instead = "static, certificate and rotated items are read without being asked";
  if (type == "DYNAMIC_SECRET") instead = "ask for it with nodekeep/type: dynamic";
  if (type == "PKI_CERT_ISSUER") instead = "ask for a certificate with nodekeep/type: pki";
  if (type == "SSH_CERT_ISSUER") instead = "ask for a certificate with nodekeep/type: ssh";
  return Error::Format(ErrorCode::kInvalid, "unsupported item type {} for secret {}; {}", type,
                       path, instead);
}

// One item to be read.
struct Target {
  Description item;
  ItemKind kind = ItemKind::kStatic;
  std::string requested;     // path as the class spells it
  std::int64_t version = 0;  // pinned; 0 = latest
  std::string host;
  bool past_cache = false;
  std::optional<Result<Item>> result;
};

std::int64_t NumberOf(const std::string& text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// "60m", "1h30m", "3600s", or a plain number of minutes.
std::optional<Duration> TtlOf(std::string_view text) {
  Duration total = Duration::zero();
  while (!text.empty()) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 0 || number > 10'000'000) return std::nullopt;
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
  }
  return total > Duration::zero() ? std::optional(total) : std::nullopt;
}

// The value of one name in a reply of get-secret-value: under the server's spelling, as upstream
// looks it up, or the requested one, or alone.
const Json* StaticValue(const Json& reply, const Target& target, bool alone) {
  for (const std::string& name :
       {target.item.name, target.requested, WithSlash(target.requested)}) {
    if (const Json* value = Find(reply, {name})) return value;
  }
  if (!alone || !reply.is_object() || reply.size() != 1) return nullptr;
  return &reply.object_range().begin()->value();
}

// One call of ItemReader::Read.
class Batch {
 public:
  Batch(GatewayClient& api, const Clock& clock, CrowdedFolders& crowded, const Context& context,
        const Options& options, const Credential& credential)
      : api_(api),
        clock_(clock),
        crowded_(crowded),
        context_(context),
        options_(options),
        credential_(credential) {}

  std::vector<Result<Answer>> Run(std::span<const Question> questions);

 private:
  struct Ask {
    const Question* question;
    ItemRequest request;
    std::optional<Result<Answer>> answer;
    std::vector<std::size_t> targets;  // of targets_, once it is known what to read
    std::string stamp;
    bool past_cache = false;
  };

  // The token under the name that its kind has in a body.
  RequestBody Body() const {
    RequestBody body;
    const std::string_view token = credential_.token.Reveal();
    body.Text(token.starts_with("u-") ? "uid-token" : "token", token);
    return body;
  }
  Command DescribeCommand(const std::string& path) const {
    return {"describe-item", Body().Text("name", path).Take()};
  }
  Command ListCommand(const std::string& folder, bool deep, const std::string& page) const;

  void Describe(const std::vector<Ask*>& asks);
  void DescribeByListing(const std::set<std::string>& paths);
  void DescribeOneByOne(const std::vector<std::string>& paths);
  void ListFolder(Ask& ask);
  void Choose(Ask& ask);
  void AddTarget(Ask& ask, const Description& item, ItemKind kind);
  void ReadTargets();
  void ReadStatic(const std::vector<std::vector<Target*>>& groups);
  std::optional<Command> CommandOf(const Target& target) const;
  void Finish(Ask& ask);
  void Mint(const std::vector<Ask*>& asks);
  Result<Answer> Minted(const Ask& ask, const Json& reply, const CertificateKey& key,
                        const SshKey& ssh_key);
  Result<Answer> MintedDynamic(const Ask& ask, const Json& reply);

  GatewayClient& api_;
  const Clock& clock_;
  CrowdedFolders& crowded_;
  const Context& context_;
  const Options& options_;
  const Credential& credential_;

  std::map<std::string, Result<Description>> described_;  // by path as the class spells it
  std::vector<Target> targets_;
};

Command Batch::ListCommand(const std::string& folder, bool deep, const std::string& page) const {
  RequestBody body = Body();
  body.Text("path", folder).Text("auto-pagination", "disabled").Text("pagination-token", page);
  if (!deep) body.Flag("current-folder", true);
  return {"list-items", body.Take()};
}

std::vector<Result<Answer>> Batch::Run(std::span<const Question> questions) {
  std::vector<Ask> asks;
  for (const Question& question : questions) {
    Ask ask{&question, {}, {}, {}, "", false};
    Result<ItemRequest> request = ItemRequest::Parse(question.ref.request);
    if (request.ok()) {
      ask.request = *std::move(request);
    } else {
      ask.answer = request.error();
    }
    asks.push_back(std::move(ask));
  }
  std::vector<Ask*> single, minted;
  for (Ask& ask : asks) {
    if (ask.answer) continue;
    switch (ask.request.kind) {
      case ItemKind::kDynamic:
      case ItemKind::kPki:
      case ItemKind::kSsh: minted.push_back(&ask); break;
      case ItemKind::kFolder: ListFolder(ask); break;
      default: single.push_back(&ask); break;
    }
  }
  if (!single.empty()) Describe(single);
  for (Ask* ask : single) Choose(*ask);
  ReadTargets();
  if (!minted.empty()) Mint(minted);

  std::vector<Result<Answer>> answers;
  for (Ask& ask : asks) {
    if (!ask.answer) Finish(ask);
    answers.push_back(*std::move(ask.answer));
  }
  return answers;
}

void Batch::Describe(const std::vector<Ask*>& asks) {
  std::set<std::string> paths;
  for (const Ask* ask : asks) paths.insert(ask->question->ref.path);
  DescribeByListing(paths);
  std::vector<std::string> rest;
  for (const std::string& path : paths) {
    if (!described_.contains(path)) rest.push_back(path);
  }
  if (!rest.empty()) DescribeOneByOne(rest);
}

// Fills in what the folders' lists show. What they do not show is asked one by one: only
// describe-item tells what is not there from what may not be seen.
void Batch::DescribeByListing(const std::set<std::string>& paths) {
  std::map<std::string, std::vector<std::string>> by_folder;
  for (const std::string& path : paths) by_folder[FolderOf(WithSlash(path))].push_back(path);
  std::erase_if(by_folder, [&](const auto& item) {
    return item.second.size() < 2 || crowded_.Has(options_.Endpoint() + item.first);
  });
  if (by_folder.empty()) return;
  std::vector<Command> commands;
  for (const auto& [folder, members] : by_folder) {
    commands.push_back(ListCommand(folder, false, ""));
  }
  std::vector<Result<Json>> replies = api_.SendAll(context_, options_, Step::kRead, commands);
  std::size_t i = 0;
  for (const auto& [folder, members] : by_folder) {
    const Result<Json>& reply = replies[i++];
    if (!reply.ok()) {
      if (!reply.error().IsTransient()) continue;
      for (const std::string& path : members) {
        described_.insert_or_assign(path,
                                    reply.error().Prepend("can't describe item: {}, error", path));
      }
      continue;
    }
    const Json* items = Find(*reply, {"items"});
    if (items == nullptr || !items->is_array()) continue;
    if (items->size() > kListedPerItem * members.size()) {
      crowded_.Add(options_.Endpoint() + folder);
    }
    for (const Json& item : items->array_range()) {
      Description description = DescriptionOf(item);
      // A list that leaves the version out is no help.
      if (description.last_version == 0 || description.type.empty()) continue;
      for (const std::string& path : members) {
        if (WithSlash(path) == description.name) described_.insert_or_assign(path, description);
      }
    }
  }
}

void Batch::DescribeOneByOne(const std::vector<std::string>& paths) {
  std::vector<Command> commands;
  for (const std::string& path : paths) commands.push_back(DescribeCommand(path));
  std::vector<Result<Json>> replies = api_.SendAll(context_, options_, Step::kRead, commands);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (!replies[i].ok()) {
      described_.insert_or_assign(
          paths[i], replies[i].error().Prepend("can't describe item: {}, error", paths[i]));
      continue;
    }
    Description description = DescriptionOf(*replies[i]);
    if (description.type.empty()) {
      described_.insert_or_assign(
          paths[i],
          Error::Format(ErrorCode::kTransient,
                        "can't describe item: {}, error: the reply has no item_type", paths[i]));
      continue;
    }
    if (description.name.empty()) description.name = WithSlash(paths[i]);
    described_.insert_or_assign(paths[i], std::move(description));
  }
}

void Batch::AddTarget(Ask& ask, const Description& item, ItemKind kind) {
  Target target;
  target.item = item;
  target.kind = kind;
  target.requested = ask.question->ref.path;
  target.version = NumberOf(ask.question->ref.version);
  target.host = ask.request.host;
  target.past_cache = ask.past_cache;
  ask.targets.push_back(targets_.size());
  targets_.push_back(std::move(target));
}

// Whether the item has to be read, and how.
void Batch::Choose(Ask& ask) {
  const Result<Description>& described = described_.at(ask.question->ref.path);
  if (!described.ok()) {
    ask.answer = described.error();
    return;
  }
  ItemKind kind = ItemKind::kClassicKey;
  if (ask.request.kind == ItemKind::kDetected) {
    const std::optional<ItemKind> readable = ReadableKind(described->type);
    if (!readable) {
      ask.answer = Unsupported(described->type, ask.question->ref.path);
      return;
    }
    kind = *readable;
  }
  const std::string& known = ask.question->known_version;
  ask.stamp = described->Stamp();
  if (IsCurrent(known, ask.stamp, clock_.Wall())) {
    Answer unchanged;
    unchanged.version = known;
    unchanged.unchanged = true;
    ask.answer = std::move(unchanged);
    return;
  }
  ask.past_cache = ask.request.ignore_cache || !known.empty();
  AddTarget(ask, *described, kind);
}

void Batch::ListFolder(Ask& ask) {
  const std::string folder = WithSlash(ask.question->ref.path);
  std::vector<Description> items;
  std::string page;
  for (std::size_t pages = 0;; ++pages) {
    Result<Json> reply =
        api_.Send(context_, options_, Step::kRead, ListCommand(folder, true, page));
    if (!reply.ok()) {
      ask.answer = reply.error().Prepend("can't list folder: {}, error", folder);
      return;
    }
    if (const Json* list = Find(*reply, {"items"}); list != nullptr && list->is_array()) {
      for (const Json& item : list->array_range()) {
        Description description = DescriptionOf(item);
        if (ReadableKind(description.type)) items.push_back(std::move(description));
      }
    }
    if (items.size() > kMaxFolderItems || pages >= kMaxPages) {
      ask.answer = Error::Format(ErrorCode::kTooLarge,
                                 "can't list folder: {}, error: it has more than {} items", folder,
                                 kMaxFolderItems);
      return;
    }
    page = TextOf(Find(*reply, {"next_page"})).value_or("");
    if (!BoolOf(Find(*reply, {"has_next"})).value_or(false) || page.empty()) break;
  }
  if (items.empty()) {
    // What may not be listed is hidden, not refused (akeyless.md 3.6).
    ask.answer = Error::Format(
        ErrorCode::kNotFound,
        "can't list folder: {}, error: no static, certificate or rotated item in it that the "
        "access role may list",
        folder);
    return;
  }
  std::ranges::sort(items, {}, &Description::name);
  for (const Description& item : items) ask.stamp += item.name + " " + item.Stamp() + "\n";
  ask.stamp = "folder " + Sha256Hex(ask.stamp);
  const std::string& known = ask.question->known_version;
  if (IsCurrent(known, ask.stamp, clock_.Wall())) {
    Answer unchanged;
    unchanged.version = known;
    unchanged.unchanged = true;
    ask.answer = std::move(unchanged);
    return;
  }
  ask.past_cache = ask.request.ignore_cache || !known.empty();
  for (const Description& item : items) AddTarget(ask, item, *ReadableKind(item.type));
}

// The call for one item that is no static secret.
std::optional<Command> Batch::CommandOf(const Target& target) const {
  RequestBody body = Body();
  if (target.version != 0) body.Number("version", target.version);
  if (target.past_cache) body.Text("ignore-cache", "true");
  switch (target.kind) {
    case ItemKind::kCertificate:
      return Command{"get-certificate-value", body.Text("name", target.item.name).Take()};
    case ItemKind::kRotated:
      // A text and not a list here, unlike get-secret-value.
      return Command{
          "get-rotated-secret-value",
          body.Text("names", target.item.name).Text("host", target.host).Flag("json", true).Take()};
    case ItemKind::kClassicKey:
      return Command{"export-classic-key", body.Text("name", target.item.name).Take()};
    default: return std::nullopt;
  }
}

std::string_view ReadError(ItemKind kind) {
  switch (kind) {
    case ItemKind::kCertificate: return "can't get certificate value";
    case ItemKind::kRotated: return "can't get rotated secret value";
    case ItemKind::kClassicKey: return "can't export classic key";
    default: return "can't get secret value";
  }
}

Json ValueOf(ItemKind kind, Json reply) {
  if (kind == ItemKind::kCertificate) {
    Json value(jsoncons::json_object_arg);
    for (const char* key : {"certificate_pem", "private_key_pem"}) {
      if (const Json* part = Find(reply, {key}); part != nullptr && !part->is_null()) {
        value.insert_or_assign(key, *part);
      }
    }
    return value;
  }
  if (kind == ItemKind::kRotated) {
    if (const Json* value = Find(reply, {"value"})) return *value;
  }
  return reply;
}

void Batch::ReadTargets() {
  std::map<std::pair<std::int64_t, bool>, std::vector<Target*>> by_version;
  std::vector<Command> commands;
  std::vector<Target*> others;
  for (Target& target : targets_) {
    if (target.kind == ItemKind::kStatic) {
      by_version[{target.version, target.past_cache}].push_back(&target);
    } else if (std::optional<Command> command = CommandOf(target)) {
      commands.push_back(*std::move(command));
      others.push_back(&target);
    }
  }
  std::vector<std::vector<Target*>> groups;
  for (auto& [key, members] : by_version) {
    for (std::size_t at = 0; at < members.size(); at += kMaxNamesPerCall) {
      const auto first = members.begin() + static_cast<std::ptrdiff_t>(at);
      groups.emplace_back(first, first + static_cast<std::ptrdiff_t>(
                                             std::min(kMaxNamesPerCall, members.size() - at)));
    }
  }
  if (!groups.empty()) ReadStatic(groups);
  if (commands.empty()) return;
  std::vector<Result<Json>> replies = api_.SendAll(context_, options_, Step::kRead, commands);
  for (std::size_t i = 0; i < others.size(); ++i) {
    Target& target = *others[i];
    if (!replies[i].ok()) {
      target.result =
          replies[i].error().Prepend("{}: {}", ReadError(target.kind), target.requested);
    } else {
      target.result = Item{target.kind, target.item.name,
                           target.version != 0 ? target.version : target.item.last_version,
                           ValueOf(target.kind, *std::move(replies[i]))};
    }
  }
}

void Batch::ReadStatic(const std::vector<std::vector<Target*>>& groups) {
  std::vector<Command> commands;
  for (const std::vector<Target*>& group : groups) {
    std::vector<std::string> names;
    for (const Target* target : group) {
      if (std::ranges::find(names, target->item.name) == names.end()) {
        names.push_back(target->item.name);
      }
    }
    RequestBody body = Body();
    body.Texts("names", names);
    if (group.front()->version != 0) body.Number("version", group.front()->version);
    if (group.front()->past_cache) body.Text("ignore-cache", "true");
    commands.push_back({"get-secret-value", body.Take()});
  }
  std::vector<Result<Json>> replies = api_.SendAll(context_, options_, Step::kRead, commands);
  std::vector<std::vector<Target*>> alone;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::vector<Target*>& group = groups[i];
    for (Target* target : group) {
      const bool split = group.size() > 1;
      const Json* value =
          replies[i].ok() ? StaticValue(*replies[i], *target, group.size() == 1) : nullptr;
      if (value != nullptr) {
        target->result =
            Item{ItemKind::kStatic, target->item.name,
                 target->version != 0 ? target->version : target->item.last_version, *value};
      } else if (replies[i].ok() || replies[i].error().IsFinal()) {
        // One refused name may fail the whole call, or be left out of the reply [U]: each for
        // itself, then, so that the others are read and the error names the right one.
        if (split) {
          alone.push_back({target});
        } else if (replies[i].ok()) {
          target->result =
              Error::Format(ErrorCode::kTransient,
                            "can't get secret: {}: the reply does not hold it", target->requested);
        } else {
          target->result =
              replies[i].error().Prepend("can't get secret value: {}", target->requested);
        }
      } else {
        target->result =
            replies[i].error().Prepend("can't get secret value: {}", target->requested);
      }
    }
  }
  if (!alone.empty()) ReadStatic(alone);
}

void Batch::Finish(Ask& ask) {
  std::vector<Item> items;
  for (std::size_t i : ask.targets) {
    Result<Item>& result = *targets_[i].result;
    if (!result.ok()) {
      ask.answer = result.error();
      return;
    }
    items.push_back(*std::move(result));
  }
  Answer answer;
  const bool folder = ask.request.kind == ItemKind::kFolder;
  answer.value = folder ? PackFolder(items) : PackItem(items.front());
  if (!ask.question->ref.version.empty()) {
    answer.version = "pinned " + ask.question->ref.version;
    answer.immutable = true;
  } else {
    answer.version = VersionText(ask.stamp, clock_.Wall(), ask.past_cache);
  }
  ask.answer = std::move(answer);
}

void Batch::Mint(const std::vector<Ask*>& asks) {
  std::vector<Command> commands;
  std::vector<Ask*> sent;
  std::vector<CertificateKey> keys;
  std::vector<SshKey> ssh_keys;
  for (Ask* ask : asks) {
    const ItemRequest& request = ask->request;
    const std::string& path = ask->question->ref.path;
    RequestBody body = Body();
    CertificateKey key;
    SshKey ssh_key;
    if (request.kind == ItemKind::kDynamic) {
      body.Text("name", path)
          .Text("host", request.host)
          .Text("target", request.target)
          .Text("dbname", request.db_name);
      if (!request.args.empty()) body.Texts("args", request.args);
      if (request.timeout_seconds > 0) body.Number("timeout", request.timeout_seconds);
      commands.push_back({"get-dynamic-secret-value", body.Take()});
    } else if (request.kind == ItemKind::kPki) {
      Result<CertificateKey> made =
          MakeCertificateKey(request.key_type, request.common_name, SplitCommas(request.alt_names),
                             SplitCommas(request.uri_sans));
      if (!made.ok()) {
        ask->answer = made.error().Prepend("can't get pki certificate: {}", path);
        continue;
      }
      key = *std::move(made);
      body.Text("cert-issuer-name", path)
          .Text("common-name", request.common_name)
          .Text("alt-names", request.alt_names)
          .Text("uri-sans", request.uri_sans)
          .Text("extended-key-usage", request.extended_key_usage)
          .Text("csr-data-base64", Base64Encode(key.request_pem));
      if (request.ttl_seconds > 0) body.Text("ttl", fmt::format("{}s", request.ttl_seconds));
      commands.push_back({"get-pki-certificate", body.Take()});
    } else {
      Result<SshKey> made = MakeSshKey(request.key_type);
      if (!made.ok()) {
        ask->answer = made.error().Prepend("can't get ssh certificate: {}", path);
        continue;
      }
      ssh_key = *std::move(made);
      body.Text("cert-issuer-name", path)
          .Text("cert-username", request.username)
          .Text("public-key-data", ssh_key.public_text);
      if (request.ttl_seconds > 0) body.Number("ttl", request.ttl_seconds);
      commands.push_back({"get-ssh-certificate", body.Take()});
    }
    sent.push_back(ask);
    keys.push_back(std::move(key));
    ssh_keys.push_back(std::move(ssh_key));
  }
  if (commands.empty()) return;
  std::vector<Result<Json>> replies = api_.SendAll(context_, options_, Step::kMint, commands);
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const ItemKind kind = sent[i]->request.kind;
    const std::string& path = sent[i]->question->ref.path;
    Result<Answer> answer = replies[i].ok() ? Minted(*sent[i], *replies[i], keys[i], ssh_keys[i])
                                            : Result<Answer>(replies[i].error());
    if (!answer.ok()) {
      answer = answer.error().Prepend("can't get {}: {}",
                                      kind == ItemKind::kDynamic ? "dynamic secret value"
                                      : kind == ItemKind::kPki   ? "pki certificate"
                                                                 : "ssh certificate",
                                      path);
    }
    sent[i]->answer = std::move(answer);
  }
}

Result<Answer> Batch::Minted(const Ask& ask, const Json& reply, const CertificateKey& key,
                             const SshKey& ssh_key) {
  if (ask.request.kind == ItemKind::kDynamic) return MintedDynamic(ask, reply);
  const std::string text = TextOf(Find(reply, {"data"})).value_or("");
  Item item;
  item.kind = ask.request.kind;
  item.name = WithSlash(ask.question->ref.path);
  item.value = Json(jsoncons::json_object_arg);
  Result<WallTime> end(WallTime{});
  if (ask.request.kind == ItemKind::kPki) {
    end = PemCertificateEnd(text);
    item.value.insert_or_assign("certificate_pem", text);
    item.value.insert_or_assign("private_key_pem", std::string(key.private_pem.Reveal()));
    if (std::string parent = TextOf(Find(reply, {"parent_cert"})).value_or(""); !parent.empty()) {
      item.value.insert_or_assign("ca_pem", parent);
    }
  } else {
    end = SshCertificateEnd(text);
    item.value.insert_or_assign("certificate", text);
    item.value.insert_or_assign("private_key", std::string(ssh_key.private_text.Reveal()));
    item.value.insert_or_assign("public_key", ssh_key.public_text);
  }
  if (!end.ok()) return end.error();
  Answer answer;
  answer.lifetime = std::chrono::floor<Duration>(*end - clock_.Wall());
  if (answer.lifetime <= Duration::zero()) {
    return Error(ErrorCode::kPrecondition,
                 "the certificate has ended before it arrived: check the node's clock and the "
                 "issuer's ttl");
  }
  answer.value = PackItem(item);
  return answer;
}

Result<Answer> Batch::MintedDynamic(const Ask& ask, const Json& reply) {
  const std::string& path = ask.question->ref.path;
  // Some producers answer 200 and say in the reply that they failed.
  if (const std::string error = TextOf(Find(reply, {"error"})).value_or(""); !error.empty()) {
    return Error(ErrorCode::kPrecondition, "the producer failed; see its log at the gateway");
  }
  std::optional<Duration> lifetime =
      TtlOf(ScalarText(Find(reply, {"ttl_in_minutes"})).value_or(""));
  if (!lifetime) {
    Result<Json> described = api_.Send(context_, options_, Step::kRead, DescribeCommand(path));
    if (described.ok()) lifetime = TtlOf(DescriptionOf(*described).user_ttl);
  }
  Item item;
  item.kind = ItemKind::kDynamic;
  item.name = WithSlash(path);
  item.value = reply;
  Answer answer;
  answer.lifetime = lifetime.value_or(kDynamicLifetime);
  answer.value = PackItem(item);
  return answer;
}

}  // namespace

bool CrowdedFolders::Has(const std::string& folder) const {
  std::lock_guard lock(mutex_);
  auto found = until_.find(folder);
  return found != until_.end() && clock_.Now() < found->second;
}

void CrowdedFolders::Add(const std::string& folder) {
  std::lock_guard lock(mutex_);
  if (until_.size() >= kMaxCrowded) until_.clear();
  until_[folder] = clock_.Now() + kCrowdedFor;
}

std::vector<Result<Answer>> ItemReader::Read(const Context& context, const Options& options,
                                             const Credential& credential,
                                             std::span<const Question> questions) {
  return Batch(api_, clock_, crowded_, context, options, credential).Run(questions);
}

}  // namespace nodekeep::akeyless
