#include "providers/akeyless/reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "agent/base/digest.h"
#include "agent/base/json.h"
#include "agent/base/utf8.h"
#include "providers/akeyless/caller.h"
#include "providers/akeyless/minting.h"

namespace nodekeep::akeyless {
namespace {

constexpr std::size_t kMaxNamesPerCall = 100;
constexpr std::size_t kMaxLoggedNames = 1024;  // bytes
constexpr std::chrono::seconds kConfirmCachedAfter(60);
constexpr std::chrono::seconds kReadAgainAfter(1800);

// Answer::version: the item's stamp, the time of the read, and whether the value may come from a
// gateway's cache.
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
  // An answer without some items of a folder has their digest after the word.
  const bool cached = std::string_view(end, known.data() + known.size()).starts_with(" cached");
  const auto age = now - WallTime(std::chrono::seconds(seconds));
  return age >= Duration::zero() && age < (cached ? kConfirmCachedAfter : kReadAgainAfter);
}

Error Unsupported(const std::string& type, const std::string& path) {
  std::string_view instead = "only static, certificate and rotated items need no nodekeep/type";
  if (type == "DYNAMIC_SECRET") instead = "ask for it with nodekeep/type: dynamic";
  if (type == "PKI_CERT_ISSUER") instead = "ask for a certificate with nodekeep/type: pki";
  if (type == "SSH_CERT_ISSUER") instead = "ask for a certificate with nodekeep/type: ssh";
  return Error::Format(ErrorCode::kInvalid, "unsupported item type {} for secret {}; {}",
                       Excerpt(type), Excerpt(path), instead);
}

// One item to read.
struct Target {
  Description item;
  ItemKind kind = ItemKind::kStatic;
  std::string requested;     // path as the class spells it; of a folder's item its name
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

// The value of one item in a reply of get-secret-value: under the server's spelling of its name, as
// upstream looks it up, or under the requested spelling. If the item was requested `alone`, also
// the only member under any name.
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
  Batch(const Caller& caller, const Clock& clock, LargeFolders& large_folders, Logger* log)
      : caller_(caller), clock_(clock), large_folders_(large_folders), log_(log) {}

  std::vector<Result<Answer>> Run(std::span<const Question> questions);

 private:
  struct Ask {
    const Question* question;
    ItemRequest request;
    std::optional<Result<Answer>> answer;
    std::vector<std::size_t> targets;  // indexes into targets_, once it is known what to read
    std::string stamp;
    bool past_cache = false;
  };

  // Each sets the targets to read for the ask, or its answer.
  void ResolveFolder(Ask& ask);
  void ResolveItem(Ask& ask, const Result<Description>& described);
  bool AnswerUnchanged(Ask& ask);
  void AddTarget(Ask& ask, const Description& item, ItemKind kind);

  void ReadTargets();
  void ReadStatic(const std::vector<std::vector<Target*>>& groups);
  std::optional<Command> CommandOf(const Target& target) const;
  Result<Answer> AnswerOf(const Ask& ask);
  Result<Answer> FolderAnswer(const Ask& ask);
  std::string LeaveOut(const Ask& ask, const std::vector<const Target*>& unreadable);

  const Caller& caller_;
  const Clock& clock_;
  LargeFolders& large_folders_;
  Logger* const log_;

  TokenCheck check_;
  std::vector<Target> targets_;
};

std::vector<Result<Answer>> Batch::Run(std::span<const Question> questions) {
  std::vector<Ask> asks;
  std::vector<std::size_t> single, minted;
  std::set<std::string> paths;
  std::vector<MintOrder> orders;
  for (const Question& question : questions) {
    asks.push_back({&question, {}, {}, {}, "", false});
    Ask& ask = asks.back();
    Result<ItemRequest> request = ItemRequest::Parse(question.ref.request);
    if (!request.ok()) {
      ask.answer = request.error();
      continue;
    }
    ask.request = *std::move(request);
    switch (ask.request.kind) {
      case ItemKind::kDynamic:
      case ItemKind::kPki:
      case ItemKind::kSsh:
        minted.push_back(asks.size() - 1);
        orders.push_back({question.ref.path, ask.request});
        break;
      case ItemKind::kFolder: ResolveFolder(ask); break;
      default:
        single.push_back(asks.size() - 1);
        paths.insert(question.ref.path);
        break;
    }
  }
  const Descriptions described = Describe(caller_, check_, large_folders_, paths);
  for (std::size_t i : single) ResolveItem(asks[i], described.at(asks[i].question->ref.path));
  ReadTargets();
  if (check_.suspected() && !orders.empty()) CheckToken(caller_, check_, orders.front().path);
  if (const Error* refused = check_.refused()) {
    for (std::size_t i : minted) asks[i].answer = *refused;
  } else {
    std::vector<Result<Answer>> made = Mint(caller_, clock_, orders);
    for (std::size_t i = 0; i < minted.size(); ++i) asks[minted[i]].answer = std::move(made[i]);
  }

  std::vector<Result<Answer>> answers;
  for (Ask& ask : asks) answers.push_back(ask.answer ? *std::move(ask.answer) : AnswerOf(ask));
  return answers;
}

void Batch::ResolveFolder(Ask& ask) {
  if (const Error* refused = check_.refused()) {
    ask.answer = refused->Prepend("can't list folder: {}, error", Excerpt(ask.question->ref.path));
    return;
  }
  Result<std::vector<Description>> items =
      ListFolder(caller_, check_, WithSlash(ask.question->ref.path));
  if (!items.ok()) {
    ask.answer = items.error();
    return;
  }
  std::string stamps;
  for (const Description& item : *items) {
    stamps += fmt::format("{} {}{}\n", item.name, item.Stamp(), item.disabled ? " disabled" : "");
  }
  ask.stamp = "folder " + Sha256Hex(stamps);
  if (AnswerUnchanged(ask)) return;
  for (const Description& item : *items) AddTarget(ask, item, *ReadableKind(item.type));
}

void Batch::ResolveItem(Ask& ask, const Result<Description>& described) {
  if (!described.ok()) {
    ask.answer = described.error();
    return;
  }
  // The server's type of a classic key is its algorithm, so the kind comes from the request.
  ItemKind kind = ItemKind::kClassicKey;
  if (ask.request.kind == ItemKind::kDetected) {
    const std::optional<ItemKind> readable = ReadableKind(described->type);
    if (!readable) {
      ask.answer = Unsupported(described->type, ask.question->ref.path);
      return;
    }
    kind = *readable;
  }
  ask.stamp = described->Stamp();
  if (!AnswerUnchanged(ask)) AddTarget(ask, *described, kind);
}

// Answers with "unchanged" and returns true if the known version is current; else sets past_cache.
bool Batch::AnswerUnchanged(Ask& ask) {
  const std::string& known = ask.question->known_version;
  if (!IsCurrent(known, ask.stamp, clock_.Wall())) {
    ask.past_cache = ask.request.ignore_cache || !known.empty();
    return false;
  }
  Answer unchanged;
  unchanged.version = known;
  unchanged.unchanged = true;
  ask.answer = std::move(unchanged);
  return true;
}

void Batch::AddTarget(Ask& ask, const Description& item, ItemKind kind) {
  Target target;
  target.item = item;
  target.kind = kind;
  target.requested = ask.request.kind == ItemKind::kFolder ? item.name : ask.question->ref.path;
  target.version = NumberOf(ask.question->ref.version);
  target.host = ask.request.host;
  target.past_cache = ask.past_cache;
  ask.targets.push_back(targets_.size());
  targets_.push_back(std::move(target));
}

// The command that reads one item other than a static secret.
std::optional<Command> Batch::CommandOf(const Target& target) const {
  RequestBody body = caller_.Body();
  if (target.version != 0) body.Number("version", target.version);
  if (target.past_cache) body.Text("ignore-cache", "true");
  switch (target.kind) {
    case ItemKind::kCertificate:
      return Command{"get-certificate-value", body.Text("name", target.item.name).Take()};
    case ItemKind::kRotated:
      // `names` is a string here, not a list as in get-secret-value.
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

// Whether the gateway has refused this one item.
bool IsOfItem(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kNotFound:
    case ErrorCode::kInvalid:
    case ErrorCode::kConflict:
    case ErrorCode::kPrecondition: return true;
    default: return error.IsDenial();
  }
}

// The error of a target that could not be read.
Error ReadFailure(const Target& target, const Error& error) {
  const std::string what =
      target.version == 0 ? "secret" : fmt::format("version {} of secret", target.version);
  Error named = NotThere(error, what, target.requested);
  if (target.item.disabled) named = named.Prepend("the item is disabled");
  return named.Prepend("{}: {}", ReadError(target.kind), Excerpt(target.requested));
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
  std::vector<std::vector<Target*>> groups;
  std::vector<Command> commands;
  std::vector<Target*> others;
  for (Target& target : targets_) {
    if (target.kind == ItemKind::kStatic && target.item.disabled) {
      groups.push_back({&target});  // it would fail the call for all
    } else if (target.kind == ItemKind::kStatic) {
      by_version[{target.version, target.past_cache}].push_back(&target);
    } else if (std::optional<Command> command = CommandOf(target)) {
      commands.push_back(*std::move(command));
      others.push_back(&target);
    }
  }
  for (auto& [key, members] : by_version) {
    for (std::size_t at = 0; at < members.size(); at += kMaxNamesPerCall) {
      const auto first = members.begin() + static_cast<std::ptrdiff_t>(at);
      groups.emplace_back(first, first + static_cast<std::ptrdiff_t>(
                                             std::min(kMaxNamesPerCall, members.size() - at)));
    }
  }
  if (!groups.empty()) ReadStatic(groups);
  if (commands.empty()) return;
  std::vector<Result<Json>> replies = caller_.SendAll(Step::kRead, commands);
  for (std::size_t i = 0; i < others.size(); ++i) {
    Target& target = *others[i];
    if (!replies[i].ok()) {
      target.result = ReadFailure(target, replies[i].error());
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
    RequestBody body = caller_.Body();
    body.Texts("names", names);
    if (group.front()->version != 0) body.Number("version", group.front()->version);
    if (group.front()->past_cache) body.Text("ignore-cache", "true");
    commands.push_back({"get-secret-value", body.Take()});
  }
  std::vector<Result<Json>> replies = caller_.SendAll(Step::kRead, commands);
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
        // Unverified: one refused name fails the whole call, or is left out of the reply. Each is
        // read by itself in a second call, so that the others are read and the error names the
        // right one.
        if (split) {
          alone.push_back({target});
        } else if (replies[i].ok()) {
          target->result = Error::Format(
              target->item.disabled ? ErrorCode::kPrecondition : ErrorCode::kTransient,
              "can't get secret: {}: the reply does not hold it{}", Excerpt(target->requested),
              target->item.disabled ? ", because the item is disabled" : "");
        } else {
          target->result = ReadFailure(*target, replies[i].error());
        }
      } else {
        target->result = ReadFailure(*target, replies[i].error());
      }
    }
  }
  if (!alone.empty()) ReadStatic(alone);
}

Result<Answer> Batch::AnswerOf(const Ask& ask) {
  if (ask.request.kind == ItemKind::kFolder) return FolderAnswer(ask);
  Result<Item>& item = *targets_[ask.targets.front()].result;
  if (!item.ok()) return item.error();
  Answer answer;
  answer.value = PackItem(*item);
  // A pinned version needs one too: while it is the latest, it can be overwritten in place.
  answer.version = VersionText(ask.stamp, clock_.Wall(), ask.past_cache);
  return answer;
}

Result<Answer> Batch::FolderAnswer(const Ask& ask) {
  std::vector<Item> items;
  std::vector<const Target*> unreadable;
  for (std::size_t i : ask.targets) {
    Result<Item>& result = *targets_[i].result;
    if (result.ok()) {
      items.push_back(*std::move(result));
    } else if (IsOfItem(result.error())) {
      unreadable.push_back(&targets_[i]);
    } else {
      return result.error();
    }
  }
  Answer answer;
  answer.version = VersionText(ask.stamp, clock_.Wall(), ask.past_cache && unreadable.empty());
  if (!unreadable.empty()) {
    const Error& first = unreadable.front()->result->error();
    // If not one could be read, the cause is probably not theirs: a token that has expired, a
    // changed access role. That must not empty the volumes of running pods.
    if (items.empty()) return first;
    if (!ask.request.leave_out) {
      return Error(first.code(),
                   first.message() +
                       "; nodekeep/optional: true on the folder leaves out items that "
                       "cannot be read");
    }
    answer.version += " " + LeaveOut(ask, unreadable);
  }
  answer.value = PackFolder(items);
  return answer;
}

// Returns a digest of the items and why they cannot be read. Logs them where that is new.
std::string Batch::LeaveOut(const Ask& ask, const std::vector<const Target*>& unreadable) {
  std::string all, named;
  for (const Target* target : unreadable) {
    all += fmt::format("{} {}\n", target->item.name, ErrorCodeName(target->result->error().code()));
    if (named.size() > kMaxLoggedNames) continue;
    named += (named.empty() ? "\"" : ", \"") + Excerpt(target->item.name) + "\"";
  }
  std::string digest = Sha256Hex(all).substr(0, 16);
  if (log_ != nullptr && !ask.question->known_version.ends_with(" " + digest)) {
    log_->Write(LogLevel::kWarn, caller_.context, "items of an optional folder are left out",
                {{"folder", Excerpt(ask.question->ref.path)},
                 {"count", unreadable.size()},
                 {"items", named},
                 {"error", unreadable.front()->result->error().message()}});
  }
  return digest;
}

}  // namespace

std::vector<Result<Answer>> ItemReader::Read(const Context& context, const Options& options,
                                             const Credential& credential,
                                             std::span<const Question> questions) {
  const Caller caller{api_, context, options, credential};
  return Batch(caller, clock_, large_folders_, log_).Run(questions);
}

}  // namespace nodekeep::akeyless
