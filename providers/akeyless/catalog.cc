#include "providers/akeyless/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "agent/base/json.h"
#include "agent/base/mutex.h"
#include "agent/base/utf8.h"

namespace nodekeep::akeyless {
namespace {

constexpr std::size_t kMaxFolderItems = 1000;
constexpr std::size_t kMaxPages = 64;
// Listing a folder is cheaper than describe-item up to this many listed items per requested one.
constexpr std::size_t kListedPerItem = 20;
constexpr Duration kCrowdedFor = std::chrono::hours(1);
constexpr std::size_t kMaxCrowded = 1024;

Description DescriptionOf(const Json& item) {
  Description description;
  description.name = TextOf(Find(item, {"item_name"})).value_or("");
  description.type = TextOf(Find(item, {"item_type"})).value_or("");
  description.last_version = IntOf(Find(item, {"last_version"})).value_or(0);
  description.modified = TextOf(Find(item, {"modification_date"})).value_or("");
  description.disabled = !BoolOf(Find(item, {"is_enabled"})).value_or(true) ||
                         TextOf(Find(item, {"item_state"})).value_or("") == "Disabled";
  description.user_ttl =
      ScalarText(Find(item, {"item_general_info", "dynamic_secret_producer_details", "user_ttl"}))
          .value_or("");
  return description;
}

// "/app/" of "/app/db", "/" of "/db".
std::string FolderOf(const std::string& name) { return name.substr(0, name.rfind('/') + 1); }

Command DescribeCommand(const Caller& caller, const std::string& path) {
  return {"describe-item", caller.Body().Text("name", path).Take()};
}

// The request for one page; automatic paging is disabled, so that a large folder does not come in
// one reply.
Command ListCommand(const Caller& caller, const std::string& folder, bool deep,
                    const std::string& page) {
  RequestBody body = caller.Body();
  body.Text("path", folder).Text("auto-pagination", "disabled").Text("pagination-token", page);
  if (!deep) body.Flag("current-folder", true);
  return {"list-items", body.Take()};
}

const Json* ItemsOf(const Json& reply) {
  const Json* items = Find(reply, {"items"});
  return items != nullptr && items->is_array() ? items : nullptr;
}

Result<Description> DescriptionIn(const Result<Json>& reply, const std::string& path) {
  if (!reply.ok()) {
    return NotThere(reply.error(), "secret", path)
        .Prepend("can't describe item: {}, error", Excerpt(path));
  }
  Description description = DescriptionOf(*reply);
  if (description.type.empty()) {
    return Error::Format(ErrorCode::kTransient,
                         "can't describe item: {}, error: the reply has no item_type",
                         Excerpt(path));
  }
  if (description.name.empty()) description.name = WithSlash(path);
  return description;
}

void DescribeByListing(const Caller& caller, TokenCheck& check, LargeFolders& large_folders,
                       const std::set<std::string>& paths, Descriptions& described) {
  const std::string account = caller.options.Endpoint();
  std::map<std::string, std::vector<std::string>> by_folder;
  for (const std::string& path : paths) by_folder[FolderOf(WithSlash(path))].push_back(path);
  std::erase_if(by_folder, [&](const auto& item) {
    return item.second.size() < 2 || large_folders.Has(account + item.first);
  });
  if (by_folder.empty()) return;
  std::vector<Command> commands;
  for (const auto& [folder, members] : by_folder) {
    commands.push_back(ListCommand(caller, folder, false, ""));
  }
  const std::vector<Result<Json>> replies = caller.SendAll(Step::kRead, commands);
  std::size_t i = 0;
  for (const auto& [folder, members] : by_folder) {
    const Result<Json>& reply = replies[i++];
    check.SeeList(reply);
    if (!reply.ok()) {
      if (!reply.error().IsTransient()) continue;
      for (const std::string& path : members) {
        described.insert_or_assign(path, DescriptionIn(reply, path));
      }
      continue;
    }
    const Json* items = ItemsOf(*reply);
    if (items == nullptr) continue;
    if (items->size() > kListedPerItem * members.size()) large_folders.Add(account + folder);
    for (const Json& item : items->array_range()) {
      const Description description = DescriptionOf(item);
      // Without a version, an entry of the list is of no use.
      if (description.last_version == 0 || description.type.empty()) continue;
      for (const std::string& path : members) {
        if (WithSlash(path) == description.name) described.insert_or_assign(path, description);
      }
    }
  }
}

}  // namespace

std::string Description::Stamp() const {
  return fmt::format("{} {} {}", type, last_version, modified.empty() ? "-" : modified);
}

Error NotThere(const Error& error, std::string_view what, std::string_view path) {
  if (error.code() != ErrorCode::kNotFound) return error;
  return error.Prepend("{} \"{}\" does not exist", what, Excerpt(path));
}

std::string WithSlash(std::string_view path) {
  return path.starts_with('/') ? std::string(path) : "/" + std::string(path);
}

std::optional<ItemKind> ReadableKind(std::string_view type) {
  if (type == "STATIC_SECRET") return ItemKind::kStatic;
  if (type == "CERTIFICATE") return ItemKind::kCertificate;
  if (type == "ROTATED_SECRET") return ItemKind::kRotated;
  return std::nullopt;
}

void TokenCheck::See(const Result<Json>& reply, std::size_t& refusals) {
  if (reply.ok()) {
    accepted_ = true;
    return;
  }
  const ErrorCode code = reply.error().code();
  // A marked denial and "not found" are about the path.
  if (code == ErrorCode::kDenied || code == ErrorCode::kNotFound) accepted_ = true;
  if (code != ErrorCode::kAuthExpired) return;
  ++refusals;
  error_ = reply.error();
}

bool LargeFolders::Has(const std::string& folder) const {
  MutexLock lock(mutex_);
  auto found = until_.find(folder);
  return found != until_.end() && clock_.Now() < found->second;
}

void LargeFolders::Add(const std::string& folder) {
  MutexLock lock(mutex_);
  if (until_.size() >= kMaxCrowded) until_.clear();
  until_[folder] = clock_.Now() + kCrowdedFor;
}

Descriptions Describe(const Caller& caller, TokenCheck& check, LargeFolders& large_folders,
                      const std::set<std::string>& paths) {
  Descriptions described;
  DescribeByListing(caller, check, large_folders, paths, described);
  std::vector<std::string> rest;
  for (const std::string& path : paths) {
    if (!described.contains(path)) rest.push_back(path);
  }
  const auto describe = [&](std::span<const std::string> some) {
    std::vector<Command> commands;
    for (const std::string& path : some) commands.push_back(DescribeCommand(caller, path));
    const std::vector<Result<Json>> replies = caller.SendAll(Step::kRead, commands);
    for (std::size_t i = 0; i < some.size(); ++i) {
      check.SeeDescription(replies[i]);
      described.insert_or_assign(some[i], DescriptionIn(replies[i], some[i]));
    }
  };
  std::span<const std::string> open(rest);
  // After a list that was refused: one alone, which tells whether the token is the reason.
  if (check.suspected() && !open.empty()) {
    describe(open.first(1));
    open = open.subspan(1);
  }
  if (const Error* refused = check.refused()) {
    for (const std::string& path : open) {
      described.insert_or_assign(path, DescriptionIn(Result<Json>(*refused), path));
    }
  } else if (!open.empty()) {
    describe(open);
  }
  return described;
}

void CheckToken(const Caller& caller, TokenCheck& check, const std::string& path) {
  check.SeeList(
      caller.Send(Step::kRead, ListCommand(caller, FolderOf(WithSlash(path)), false, "")));
}

Result<Description> DescribeOne(const Caller& caller, const std::string& path) {
  return DescriptionIn(caller.Send(Step::kRead, DescribeCommand(caller, path)), path);
}

Result<std::vector<Description>> ListFolder(const Caller& caller, TokenCheck& check,
                                            const std::string& folder) {
  const std::string below = folder.ends_with('/') ? folder : folder + "/";
  std::vector<Description> items;
  std::string page;
  for (std::size_t pages = 0;; ++pages) {
    Result<Json> reply = caller.Send(Step::kRead, ListCommand(caller, folder, true, page));
    check.SeeList(reply);
    if (!reply.ok()) {
      return NotThere(reply.error(), "folder", folder)
          .Prepend("can't list folder: {}, error", Excerpt(folder));
    }
    if (const Json* list = ItemsOf(*reply)) {
      for (const Json& item : list->array_range()) {
        Description description = DescriptionOf(item);
        if (!ReadableKind(description.type) || !description.name.starts_with(below)) continue;
        items.push_back(std::move(description));
      }
    }
    if (items.size() > kMaxFolderItems || pages >= kMaxPages) {
      return Error::Format(ErrorCode::kTooLarge,
                           "can't list folder: {}, error: it has more than {} items",
                           Excerpt(folder), kMaxFolderItems);
    }
    page = TextOf(Find(*reply, {"next_page"})).value_or("");
    if (!BoolOf(Find(*reply, {"has_next"})).value_or(false) || page.empty()) break;
  }
  if (items.empty()) {
    return Error::Format(
        ErrorCode::kNotFound,
        "can't list folder: {}, error: no static, certificate or rotated item in it that the "
        "access role may list",
        Excerpt(folder));
  }
  std::ranges::sort(items, {}, &Description::name);
  return items;
}

}  // namespace nodekeep::akeyless
