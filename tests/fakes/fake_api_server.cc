#include "tests/fakes/fake_api_server.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "agent/base/mutex.h"
#include "tests/fakes/kube_fields.h"

namespace nodekeep {
namespace {

// Manager of fields that were written by other means than apply.
constexpr char kOtherWriters[] = "other writers";

std::string Decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

FakeApiServer::Request ReadRequest(const HttpRequest& http) {
  FakeApiServer::Request request;
  request.method = http.method;
  const std::size_t host = http.url.find("://") + 3;
  const std::size_t path = http.url.find('/', host);
  const std::size_t query = std::min(http.url.find('?', path), http.url.size());
  request.path = Decoded(http.url.substr(path, query - path));
  if (query < http.url.size()) {
    for (const std::string& pair : Split(http.url.substr(query + 1), '&')) {
      const std::size_t equals = std::min(pair.find('='), pair.size());
      request.query[pair.substr(0, equals)] =
          equals < pair.size() ? Decoded(pair.substr(equals + 1)) : "";
    }
  }
  for (const HttpHeader& header : http.headers) {
    std::string name = header.name;
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    request.headers[name] = std::string(header.value.Reveal());
  }
  request.body = std::string(http.body.Reveal());
  return request;
}

std::string Query(const FakeApiServer::Request& request, const std::string& name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? "" : found->second;
}

std::string Spelled(const Json& json) { return std::string(GoJson(json).Reveal()); }

bool Same(const Json& a, const Json& b) { return Spelled(a) == Spelled(b); }

HttpResponse Respond(int status, const Json& body) {
  HttpResponse response;
  response.status = status;
  response.headers.emplace_back("content-type", "application/json");
  response.body = GoJson(body);
  return response;
}

Json StatusObject(int code, const std::string& reason, const std::string& message) {
  Json status;
  status["kind"] = "Status";
  status["apiVersion"] = "v1";
  status["status"] = "Failure";
  status["reason"] = reason;
  status["message"] = message;
  status["code"] = code;
  return status;
}

HttpResponse Refuse(int code, const std::string& reason, const std::string& message) {
  return Respond(code, StatusObject(code, reason, message));
}

bool IsMetadataOnly(const FakeApiServer::Request& request) {
  const auto accept = request.headers.find("accept");
  return accept != request.headers.end() &&
         accept->second.find("as=PartialObjectMetadata") != std::string::npos;
}

Json ViewOf(const Json& object, bool metadata_only) {
  if (!metadata_only || Text(object, {"kind"}) == "Status") return object;
  Json partial;
  partial["kind"] = "PartialObjectMetadata";
  partial["apiVersion"] = "meta.k8s.io/v1";
  partial["metadata"] = object.at("metadata");
  return partial;
}

}  // namespace

struct FakeApiServer::Selection {
  std::string resource;
  std::string namespace_name;
  std::string labels;
  std::string fields;

  bool Has(const Address& address, const std::optional<Json>& object) const {
    return object && address.resource == resource &&
           (namespace_name.empty() || namespace_name == address.namespace_name) &&
           HasLabels(*object, labels) && HasFields(*object, fields);
  }
  static Selection Of(const Request& request, const Address& address) {
    return {address.resource, address.namespace_name, Query(request, "labelSelector"),
            Query(request, "fieldSelector")};
  }
};

struct FakeApiServer::Watch {
  Context context;
  std::shared_ptr<HttpReceiver> receiver;
  Selection selection;
  bool metadata_only = false;
  bool bookmarks = false;
  bool hangs = false;

  bool Ended() const { return context.stop().stop_requested(); }
  std::string LineOf(const std::string& type, const Json& object) const {
    Json event;
    event["type"] = type;
    event["object"] = ViewOf(object, metadata_only);
    return Spelled(event) + "\n";
  }
  // "" if the change does not concern this watch.
  std::string LineFor(const Change& change) const {
    const bool was = selection.Has(change.address, change.before);
    const bool is = selection.Has(change.address, change.after);
    if (!was && !is) return "";
    Json object = is ? *change.after : *change.before;
    object.at("metadata").insert_or_assign("resourceVersion", std::to_string(change.version));
    return LineOf(!was ? "ADDED" : is ? "MODIFIED" : "DELETED", object);
  }
  void Send(std::string_view bytes) {
    if (!bytes.empty() && !hangs && !Ended()) receiver->OnBytes(bytes);
  }
  void End() {
    HttpResponse response;
    response.status = 200;
    receiver->OnEnd(std::move(response));
  }
  void Cut() { receiver->OnEnd(Error(ErrorCode::kTransient, "the connection was cut")); }
};

FakeApiServer::FakeApiServer() = default;
FakeApiServer::~FakeApiServer() = default;

FakeApiServer::Address FakeApiServer::ParseAddress(const std::string& path) {
  const std::vector<std::string> steps = Split(path, '/');
  std::size_t at = !steps.empty() && steps[0] == "apis" ? 3 : 2;
  Address address;
  for (std::size_t i = 0; i < std::min(at, steps.size()); ++i) address.resource += "/" + steps[i];
  if (steps.size() >= at + 3 && steps[at] == "namespaces") {
    address.namespace_name = steps[at + 1];
    at += 2;
  }
  if (steps.size() > at) address.resource += "/" + steps[at];
  if (steps.size() > at + 1) address.name = steps[at + 1];
  return address;
}

std::string FakeApiServer::KindOfRequest(const Request& request, const Address& address) {
  if (request.method != "GET" || !address.name.empty()) return request.method;
  return Query(request, "watch").empty() ? "LIST" : "WATCH";
}

std::vector<Result<HttpResponse>> FakeApiServer::SendAll(const Context& context,
                                                         std::vector<HttpRequest> requests) {
  std::vector<Result<HttpResponse>> results;
  for (const HttpRequest& request : requests) {
    if (context.stop().stop_requested()) {
      results.push_back(Error(ErrorCode::kCancelled, "the caller has gone away"));
      continue;
    }
    MutexLock lock(mutex_);
    results.push_back(Answer(ReadRequest(request)));
  }
  return results;
}

void FakeApiServer::Open(const Context& context, HttpRequest http,
                         std::shared_ptr<HttpReceiver> receiver) {
  const Request request = ReadRequest(http);
  MutexLock lock(mutex_);
  if (KindOfRequest(request, ParseAddress(request.path)) == "WATCH") {
    OpenWatch(context, request, std::move(receiver));
    changed_.notify_all();
    return;
  }
  Result<HttpResponse> answer = Answer(request);
  if (answer.ok() && answer->status / 100 == 2) {
    receiver->OnHead();
    receiver->OnBytes(answer->body.Reveal());
    answer->body.Wipe();
  }
  receiver->OnEnd(std::move(answer));
}

Result<HttpResponse> FakeApiServer::Answer(const Request& request) {
  const Address address = ParseAddress(request.path);
  const std::string kind = KindOfRequest(request, address);
  requests_.emplace_back(kind, request);
  changed_.notify_all();
  if (down_) return Error(ErrorCode::kTransient, "connect: connection refused");
  const std::optional<Fault> fault = TakeFault(kind, request);
  if (!fault) return Do(kind, request, address);
  if (fault->after_effect) Do(kind, request, address);
  if (fault->status == 0) return Error(ErrorCode::kTransient, "the connection was cut");
  HttpResponse refusal = Refuse(fault->status, fault->reason, "injected fault");
  if (!fault->body.empty()) refusal.body = SecretBytes(fault->body);
  if (fault->retry_after > 0) {
    refusal.headers.emplace_back("retry-after", std::to_string(fault->retry_after));
  }
  return refusal;
}

std::optional<FakeApiServer::Fault> FakeApiServer::TakeFault(const std::string& kind,
                                                             const Request& request) {
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (!fault->method.empty() && fault->method != kind) continue;
    if (request.path.find(fault->path) == std::string::npos) continue;
    const Fault taken = *fault;
    if (--fault->times == 0) faults_.erase(fault);
    return taken;
  }
  return std::nullopt;
}

HttpResponse FakeApiServer::Do(const std::string& kind, const Request& request,
                               const Address& address) {
  if (kind == "LIST") return List(request, address);
  if (kind == "POST") return Create(request, address);
  const auto found = objects_.find(address);
  if (found == objects_.end() && kind != "PATCH") {
    return Refuse(404, "NotFound",
                  fmt::format("{} \"{}\" not found", address.resource, address.name));
  }
  if (kind == "GET") return Respond(200, ViewOf(found->second.object, IsMetadataOnly(request)));
  if (kind == "PUT") return Update(request, address);
  if (kind == "PATCH") return Patch(request, address);
  if (kind == "DELETE") return Delete(request, address);
  return Refuse(405, "MethodNotAllowed", kind);
}

HttpResponse FakeApiServer::List(const Request& request, const Address& address) {
  const Selection selection = Selection::Of(request, address);
  const bool metadata_only = IsMetadataOnly(request);
  // The continue token: "<version of the list>/<number of items returned so far>".
  const std::vector<std::string> token = Split(Query(request, "continue"), '/');
  const long version = token.empty() ? version_ : std::stol(token[0]);
  if (version < compacted_) return Refuse(410, "Expired", "the continue token is too old");
  std::size_t skip = token.empty() ? 0 : std::stoul(token[1]);
  const std::string limit = Query(request, "limit");
  std::size_t room = limit.empty() ? SIZE_MAX : std::stoul(limit);
  const std::size_t next = room == SIZE_MAX ? 0 : skip + room;

  // Later pages show the state of the first page: later changes are undone.
  std::map<Address, std::optional<Json>> state;
  for (const auto& [where, stored] : objects_) state[where] = stored.object;
  for (auto change = history_.rbegin(); change != history_.rend(); ++change) {
    if (change->version > version) state[change->address] = change->before;
  }
  Json items(jsoncons::json_array_arg);
  bool more = false;
  for (const auto& [where, object] : state) {
    if (!selection.Has(where, object)) continue;
    if (skip > 0) {
      --skip;
    } else if (room == 0) {
      more = true;
    } else {
      --room;
      items.push_back(ViewOf(*object, metadata_only));
    }
  }
  Json metadata;
  metadata["resourceVersion"] = std::to_string(version);
  if (more) metadata["continue"] = fmt::format("{}/{}", version, next);
  Json list;
  list["kind"] = metadata_only ? "PartialObjectMetadataList" : "List";
  list["apiVersion"] = metadata_only ? "meta.k8s.io/v1" : "v1";
  list["metadata"] = std::move(metadata);
  // kube-apiserver returns null for an empty metadata-only list.
  list["items"] = metadata_only && items.empty() ? Json::null() : std::move(items);
  return Respond(200, list);
}

HttpResponse FakeApiServer::Create(const Request& request, Address address) {
  Result<Json> body = ParseJson(request.body);
  if (!body.ok()) return Refuse(400, "BadRequest", body.error().message());
  if (!address.name.empty()) return Refuse(405, "MethodNotAllowed", "no such subresource here");
  address.name = Text(*body, {"metadata", "name"});
  if (address.name.empty()) return Refuse(422, "Invalid", "metadata.name: Required value");
  if (objects_.contains(address)) {
    return Refuse(409, "AlreadyExists", fmt::format("\"{}\" already exists", address.name));
  }
  return Respond(201, ViewOf(Store(address, *std::move(body)), IsMetadataOnly(request)));
}

HttpResponse FakeApiServer::Update(const Request& request, const Address& address) {
  Result<Json> body = ParseJson(request.body);
  if (!body.ok()) return Refuse(400, "BadRequest", body.error().message());
  Stored& stored = objects_.at(address);
  const std::string version = Text(*body, {"metadata", "resourceVersion"});
  if (!version.empty() && version != Text(stored.object, {"metadata", "resourceVersion"})) {
    return Refuse(409, "Conflict", "the object has been modified");
  }
  return Respond(200, ViewOf(Store(address, *std::move(body)), IsMetadataOnly(request)));
}

HttpResponse FakeApiServer::Patch(const Request& request, const Address& address) {
  Result<Json> body = ParseJson(request.body);
  if (!body.ok()) return Refuse(400, "BadRequest", body.error().message());
  const auto type = request.headers.find("content-type");
  if (type == request.headers.end()) return Refuse(415, "UnsupportedMediaType", "no content type");
  if (type->second == "application/apply-patch+yaml") return Apply(request, address, *body);
  if (type->second != "application/merge-patch+json") {
    return Refuse(415, "UnsupportedMediaType", type->second);
  }
  const auto found = objects_.find(address);
  if (found == objects_.end()) return Refuse(404, "NotFound", "no such object");
  const std::string version = Text(*body, {"metadata", "resourceVersion"});
  if (!version.empty() && version != Text(found->second.object, {"metadata", "resourceVersion"})) {
    return Refuse(409, "Conflict", "the object has been modified");
  }
  Json object = found->second.object;
  Merge(object, *body);
  return Respond(200, ViewOf(Store(address, std::move(object)), IsMetadataOnly(request)));
}

HttpResponse FakeApiServer::Apply(const Request& request, const Address& address,
                                  const Json& body) {
  const std::string manager = Query(request, "fieldManager");
  if (manager.empty()) return Refuse(422, "Invalid", "fieldManager: Required value");
  if (Text(body, {"apiVersion"}).empty() || Text(body, {"kind"}).empty()) {
    return Refuse(400, "BadRequest", "apiVersion and kind must be set");
  }
  const auto found = objects_.find(address);
  const bool is_new = found == objects_.end();
  Json object = is_new ? body : found->second.object;
  std::map<std::string, std::set<FieldPath>> applied;
  if (!is_new) applied = found->second.applied;
  const Fields wanted = FieldsOf(body);
  const Fields present = FieldsOf(object);

  std::string conflicts;
  for (const auto& [path, value] : wanted) {
    const auto now = present.find(path);
    if (now == present.end() || Same(now->second, value)) continue;
    for (auto& [other, paths] : applied) {
      if (other == manager || !paths.contains(path)) continue;
      conflicts += fmt::format(" {} by \"{}\"", fmt::join(path, "."), other);
      paths.erase(path);
    }
  }
  if (!conflicts.empty() && Query(request, "force") != "true") {
    return Refuse(409, "Conflict", "Apply failed with conflicts:" + conflicts);
  }
  for (const FieldPath& path : applied[manager]) {
    if (wanted.contains(path)) continue;
    const bool is_others = std::any_of(applied.begin(), applied.end(), [&](const auto& entry) {
      return entry.first != manager && entry.second.contains(path);
    });
    if (!is_others) EraseField(object, path);
  }
  applied[manager].clear();
  for (const auto& [path, value] : wanted) {
    SetField(object, path, value);
    applied[manager].insert(path);
  }
  Store(address, std::move(object));
  Stored& stored = objects_.at(address);
  stored.applied = std::move(applied);
  return Respond(is_new ? 201 : 200, ViewOf(stored.object, IsMetadataOnly(request)));
}

HttpResponse FakeApiServer::Delete(const Request& request, const Address& address) {
  const Result<Json> options = ParseJson(request.body.empty() ? "{}" : request.body);
  if (!options.ok()) return Refuse(400, "BadRequest", options.error().message());
  const std::string uid = Text(*options, {"preconditions", "uid"});
  if (!uid.empty() && uid != Text(objects_.at(address).object, {"metadata", "uid"})) {
    return Refuse(409, "Conflict", "the UID in the precondition does not match");
  }
  const std::string version = Text(*options, {"preconditions", "resourceVersion"});
  if (!version.empty() &&
      version != Text(objects_.at(address).object, {"metadata", "resourceVersion"})) {
    return Refuse(409, "Conflict", "the ResourceVersion in the precondition does not match");
  }
  Erase(address);
  Json status;
  status["kind"] = "Status";
  status["status"] = "Success";
  return Respond(200, status);
}

const Json& FakeApiServer::Store(const Address& address, Json object) {
  Json& metadata = Member(object, "metadata");
  metadata.insert_or_assign("name", address.name);
  if (!address.namespace_name.empty())
    metadata.insert_or_assign("namespace", address.namespace_name);
  const auto found = objects_.find(address);
  std::optional<Json> before;
  if (found == objects_.end()) {
    metadata.insert_or_assign("uid", fmt::format("00000000-0000-4000-8000-{:012}", ++created_));
    metadata.insert_or_assign("creationTimestamp", "2026-01-01T00:00:00Z");
  } else {
    before = found->second.object;
    for (const char* kept : {"uid", "creationTimestamp", "resourceVersion"}) {
      metadata.insert_or_assign(kept, before->at("metadata").at(kept));
    }
    if (Same(*before, object)) return found->second.object;
  }
  metadata.insert_or_assign("resourceVersion", std::to_string(++version_));
  Stored& stored = objects_[address];
  stored.object = std::move(object);
  // Fields written by other means than apply belong to kOtherWriters.
  const Fields then = before ? FieldsOf(*before) : Fields();
  const Fields now = FieldsOf(stored.object);
  const auto stayed = [&](const FieldPath& path) {
    const auto old = then.find(path);
    const auto value = now.find(path);
    return old != then.end() && value != now.end() && Same(old->second, value->second);
  };
  for (auto& [manager, paths] : stored.applied) {
    std::erase_if(paths, [&](const FieldPath& path) { return !stayed(path); });
  }
  for (const auto& [path, value] : now) {
    if (!stayed(path)) stored.applied[kOtherWriters].insert(path);
  }
  history_.push_back({version_, address, before, stored.object});
  NotifyWatches(history_.back());
  return stored.object;
}

void FakeApiServer::Erase(const Address& address) {
  Json last = objects_.at(address).object;
  const Json before = last;
  last.at("metadata").insert_or_assign("resourceVersion", std::to_string(++version_));
  objects_.erase(address);
  history_.push_back({version_, address, before, std::nullopt});
  NotifyWatches(history_.back());
}

void FakeApiServer::NotifyWatches(const Change& change) {
  DropCancelled();
  const bool cut = std::exchange(cut_within_next_event_, false);
  for (const auto& watch : watches_) {
    const std::string line = watch->LineFor(change);
    watch->Send(std::string_view(line).substr(0, cut ? line.size() / 2 : line.size()));
  }
  if (!cut) return;
  for (const auto& watch : watches_) watch->Cut();
  watches_.clear();
}

void FakeApiServer::OpenWatch(const Context& context, const Request& request,
                              std::shared_ptr<HttpReceiver> receiver) {
  requests_.emplace_back("WATCH", request);
  const Address address = ParseAddress(request.path);
  const auto refuse = [&](Result<HttpResponse> refusal) { receiver->OnEnd(std::move(refusal)); };
  if (down_) return refuse(Error(ErrorCode::kTransient, "connect: connection refused"));
  if (const std::optional<Fault> fault = TakeFault("WATCH", request)) {
    if (fault->status == 0) return refuse(Error(ErrorCode::kTransient, "the connection was cut"));
    HttpResponse refusal = Refuse(fault->status, fault->reason, "injected fault");
    if (fault->retry_after > 0) {
      refusal.headers.emplace_back("retry-after", std::to_string(fault->retry_after));
    }
    return refuse(std::move(refusal));
  }
  const std::string from = Query(request, "resourceVersion");
  const long version = from.empty() || from == "0" ? version_ : std::stol(from);
  const bool expired = version < compacted_;
  if (expired && !expires_in_stream_) {
    return refuse(Refuse(410, "Expired", fmt::format("too old resource version: {}", version)));
  }
  auto watch = std::make_unique<Watch>();
  watch->context = context;
  watch->receiver = std::move(receiver);
  watch->selection = Selection::Of(request, address);
  watch->metadata_only = IsMetadataOnly(request);
  watch->bookmarks = Query(request, "allowWatchBookmarks") == "true";
  watch->receiver->OnHead();
  if (expired) {
    watch->Send(watch->LineOf("ERROR", StatusObject(410, "Expired", "too old resource version")));
    return watch->End();
  }
  for (const Change& change : history_) {
    if (change.version > version) watch->Send(watch->LineFor(change));
  }
  watches_.push_back(std::move(watch));
}

void FakeApiServer::DropCancelled() {
  std::erase_if(watches_, [](const std::unique_ptr<Watch>& watch) {
    if (!watch->Ended()) return false;
    watch->receiver->OnEnd(Error(ErrorCode::kCancelled, "the caller has gone away"));
    return true;
  });
}

Json FakeApiServer::Put(const std::string& collection, const Json& object) {
  MutexLock lock(mutex_);
  Address address = ParseAddress(collection);
  address.name = Text(object, {"metadata", "name"});
  return Store(address, object);
}

Json FakeApiServer::PutText(const std::string& collection, std::string_view json) {
  Result<Json> object = ParseJson(json);
  if (!object.ok()) {
    fmt::print(stderr, "the test passed invalid JSON to PutText: {}\n", object.error().message());
    std::abort();
  }
  return Put(collection, *object);
}

void FakeApiServer::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  Erase(ParseAddress(path));
}

std::optional<Json> FakeApiServer::Object(const std::string& path) const {
  MutexLock lock(mutex_);
  const auto found = objects_.find(ParseAddress(path));
  if (found == objects_.end()) return std::nullopt;
  return found->second.object;
}

void FakeApiServer::CollectGarbage() {
  MutexLock lock(mutex_);
  for (bool again = true; again;) {
    again = false;
    std::set<std::string> uids;
    for (const auto& [address, stored] : objects_) {
      uids.insert(Text(stored.object, {"metadata", "uid"}));
    }
    std::vector<Address> orphans;
    for (const auto& [address, stored] : objects_) {
      const Json* owners = Find(stored.object, {"metadata", "ownerReferences"});
      if (owners == nullptr || !owners->is_array() || owners->empty()) continue;
      const auto range = owners->array_range();
      const bool owned = std::any_of(range.begin(), range.end(), [&](const Json& owner) {
        return uids.contains(Text(owner, {"uid"}));
      });
      if (!owned) orphans.push_back(address);
    }
    for (const Address& orphan : orphans) Erase(orphan);
    again = !orphans.empty();
  }
}

void FakeApiServer::AddFault(Fault fault) {
  MutexLock lock(mutex_);
  faults_.push_back(std::move(fault));
}

void FakeApiServer::SetDown(bool down) {
  if (down) CutWatches();
  MutexLock lock(mutex_);
  down_ = down;
}

void FakeApiServer::Compact(bool in_stream) {
  MutexLock lock(mutex_);
  compacted_ = ++version_;
  expires_in_stream_ = in_stream;
  history_.clear();
}

void FakeApiServer::SendBookmarks() {
  MutexLock lock(mutex_);
  DropCancelled();
  Json metadata;
  metadata["resourceVersion"] = std::to_string(version_);
  Json object;
  object["metadata"] = std::move(metadata);
  for (const auto& watch : watches_) {
    if (watch->bookmarks) watch->Send(watch->LineOf("BOOKMARK", object));
  }
}

void FakeApiServer::EndWatches() {
  MutexLock lock(mutex_);
  DropCancelled();
  for (const auto& watch : watches_) watch->End();
  watches_.clear();
}

void FakeApiServer::CutWatches() {
  MutexLock lock(mutex_);
  DropCancelled();
  for (const auto& watch : watches_) watch->Cut();
  watches_.clear();
}

void FakeApiServer::SendWatchError(int code, const std::string& reason) {
  MutexLock lock(mutex_);
  DropCancelled();
  for (const auto& watch : watches_) {
    watch->Send(watch->LineOf("ERROR", StatusObject(code, reason, "injected fault")));
    watch->End();
  }
  watches_.clear();
}

void FakeApiServer::CutWithinNextEvent() {
  MutexLock lock(mutex_);
  cut_within_next_event_ = true;
}

void FakeApiServer::HangWatches() {
  MutexLock lock(mutex_);
  for (const auto& watch : watches_) watch->hangs = true;
}

std::size_t FakeApiServer::open_watches() const {
  MutexLock lock(mutex_);
  return static_cast<std::size_t>(std::count_if(watches_.begin(), watches_.end(),
                                                [](const auto& watch) { return !watch->Ended(); }));
}

void FakeApiServer::AwaitWatches(std::size_t count) const {
  MutexLock lock(mutex_);
  changed_.wait(lock, [&] {
    mutex_.AssertHeld();
    return static_cast<std::size_t>(
               std::count_if(watches_.begin(), watches_.end(),
                             [](const auto& watch) { return !watch->Ended(); })) >= count;
  });
}

std::vector<FakeApiServer::Request> FakeApiServer::Requests() const {
  MutexLock lock(mutex_);
  std::vector<Request> all;
  for (const auto& [kind, request] : requests_) all.push_back(request);
  return all;
}

std::size_t FakeApiServer::Count(std::string_view method, std::string_view part) const {
  MutexLock lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(requests_.begin(), requests_.end(), [&](const auto& entry) {
        return (method.empty() || entry.first == method) &&
               entry.second.path.find(part) != std::string::npos;
      }));
}

}  // namespace nodekeep
