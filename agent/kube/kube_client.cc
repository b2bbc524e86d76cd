#include "agent/kube/kube_client.h"

#include <optional>
#include <utility>

#include "agent/kube/retry_on_conflict.h"

namespace nodekeep {
namespace {

constexpr std::string_view kPageSize = "500";  // as client-go

KubeCall Write(std::string_view method, const std::string& path, const Json& body) {
  KubeCall call;
  call.method = method;
  call.path = path;
  call.answer = KubeAnswer::kMetadata;
  call.body = GoJson(body);
  return call;
}

}  // namespace

KubeClient::KubeClient(HttpClient& http, KubeConnection connection, const Clock& clock, Rng& rng,
                       Options options)
    : http_(http),
      connection_(std::move(connection)),
      clock_(clock),
      options_(std::move(options)),
      retry_(options_.retry, clock, rng) {}

Result<Json> KubeClient::Get(const Context& context, const std::string& path) {
  KubeCall call;
  call.path = path;
  return Send(context, call);
}

Result<std::vector<Json>> KubeClient::List(const Context& context, const KubeSelection& selection) {
  return RetryOnConflict(2, [&] { return ListOnce(context, selection); });
}

Result<std::vector<Json>> KubeClient::ListOnce(const Context& context,
                                               const KubeSelection& selection) {
  std::vector<Json> items;
  std::string next;
  do {
    KubeCall call;
    call.path = selection.PathWithQuery();
    AddQuery(call.path, "limit", kPageSize);
    if (!next.empty()) AddQuery(call.path, "continue", next);
    Result<Json> page = Send(context, call);
    if (!page.ok()) return page.error();
    next = TextOf(Find(*page, {"metadata", "continue"})).value_or("");
    if (!page->is_object() || !page->contains("items")) continue;
    Json& its_items = page->at("items");
    if (!its_items.is_array()) continue;
    for (Json& item : its_items.array_range()) items.push_back(std::move(item));
  } while (!next.empty());
  return items;
}

Result<Json> KubeClient::PostRepeatable(const Context& context, const std::string& path,
                                        const Json& body) {
  KubeCall call = Write("POST", path, body);
  call.answer = KubeAnswer::kObject;
  return Send(context, call);
}

Result<Json> KubeClient::Create(const Context& context, const std::string& path, const Json& body) {
  return Send(context, Write("POST", path, body));
}

Result<Json> KubeClient::Update(const Context& context, const std::string& path, const Json& body) {
  return Send(context, Write("PUT", path, body));
}

Result<Json> KubeClient::Apply(const Context& context, const std::string& path, const Json& body,
                               std::string_view field_manager, bool force) {
  KubeCall call = Write("PATCH", path, body);
  AddQuery(call.path, "fieldManager", field_manager);
  AddQuery(call.path, "force", force ? "true" : "false");
  call.content_type = "application/apply-patch+yaml";  // JSON is YAML
  return Send(context, call);
}

Result<Json> KubeClient::MergePatch(const Context& context, const std::string& path,
                                    const Json& body) {
  KubeCall call = Write("PATCH", path, body);
  call.content_type = "application/merge-patch+json";
  return Send(context, call);
}

Status KubeClient::Delete(const Context& context, const std::string& path, std::string_view uid,
                          std::string_view resource_version) {
  Json options;
  options["apiVersion"] = "v1";
  options["kind"] = "DeleteOptions";
  options["propagationPolicy"] = "Background";
  Json preconditions(jsoncons::json_object_arg);
  if (!uid.empty()) preconditions["uid"] = std::string(uid);
  if (!resource_version.empty()) preconditions["resourceVersion"] = std::string(resource_version);
  if (!preconditions.empty()) options["preconditions"] = std::move(preconditions);
  Result<Json> deleted = Send(context, Write("DELETE", path, options));
  if (deleted.ok() || deleted.error().code() == ErrorCode::kNotFound) return {};
  return deleted.error();
}

Result<Json> KubeClient::Send(const Context& context, const KubeCall& call) {
  Result<Json> answer = retry_.Run(context, [&] { return SendOnce(context, call); });
  if (answer.ok()) return answer;
  // Without the query, which may contain a long continue token.
  return answer.error().Prepend("kubernetes: {} {}", call.method,
                                call.path.substr(0, call.path.find('?')));
}

Result<Json> KubeClient::SendOnce(const Context& context, const KubeCall& call) {
  Result<HttpRequest> request = MakeKubeRequest(connection_, options_.user_agent, call);
  if (!request.ok()) return request.error();
  request->timeout = options_.request_timeout;
  Result<HttpResponse> response = http_.Send(context, *std::move(request));
  if (!response.ok()) return response.error();
  return ReadKubeAnswer(*response, clock_.Wall());
}

}  // namespace nodekeep
