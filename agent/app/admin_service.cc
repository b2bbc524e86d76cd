#include "agent/app/admin_service.h"

#include <fnmatch.h>

#include <set>

#include "agent/rpc/status.h"

namespace nodekeep {
namespace {

// Bounds the time for which a caller without a deadline occupies a thread.
constexpr Duration kLongestRefresh = std::chrono::minutes(5);

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

template <typename TimePoint>
double SecondsBetween(TimePoint from, TimePoint to) {
  return Seconds(std::chrono::duration_cast<Duration>(to - from));
}

void FillSessions(const AdminBackend& backend, admin::v1::StatusResponse& response) {
  const SteadyTime now = backend.clock.Now();
  for (const SessionPtr& session : backend.credentials.Sessions()) {
    const Credential& credential = session->credential;
    admin::v1::Session& line = *response.add_sessions();
    line.set_scope(session->scope);
    line.set_provider(session->route.provider);
    line.set_age_seconds(SecondsBetween(session->logged_in, now));
    if (credential.expires != SteadyTime::max()) {
      line.set_expires_in_seconds(SecondsBetween(now, credential.expires));
    }
    line.set_renewable(credential.renewable);
  }
}

void FillLeases(const AdminBackend& backend, admin::v1::StatusResponse& response) {
  for (const LeaseInfo& lease : backend.leases.List()) {
    admin::v1::Lease& line = *response.add_leases();
    line.set_ref(lease.ref);
    line.set_scope(lease.scope);
    line.set_left_seconds(Seconds(lease.left));
    line.set_holders(lease.holders);
    line.set_retiring(lease.retiring);
  }
}

void FillBackends(const AdminBackend& backend, admin::v1::StatusResponse& response) {
  for (const BackendState& state : backend.backends()) {
    admin::v1::Backend& line = *response.add_backends();
    line.set_host(state.host);
    line.set_breaker_open(state.breaker_open);
    line.set_held_for_seconds(Seconds(state.held_for));
    line.set_rate_per_second(state.rate);
    line.set_in_flight(state.in_flight);
    line.set_last_error(state.last_error);
    line.mutable_held_namespaces()->Assign(state.held_namespaces.begin(),
                                           state.held_namespaces.end());
  }
}

void FillMounts(const AdminBackend& backend, admin::v1::StatusResponse& response) {
  const WallTime now = backend.clock.Wall();
  for (const MountRecord& record : backend.ledger.List()) {
    admin::v1::Mount& line = *response.add_mounts();
    line.set_provider(record.provider);
    line.set_namespace_(record.namespace_name);
    line.set_pod(record.pod);
    line.set_service_account(record.service_account);
    line.set_at(FormatTime(record.at));
    line.set_age_seconds(SecondsBetween(record.at, now));
    line.set_took_seconds(Seconds(record.took));
    line.set_outcome(record.outcome);
    line.set_error(record.error);
    line.set_refs(record.report.refs);
    line.set_hits(record.report.hits);
    line.set_backend_reads(record.report.backend_reads);
    line.set_logins(record.report.logins);
    line.set_stale(record.report.stale);
    line.set_stale_age_seconds(Seconds(record.report.stale_age));
    line.set_stale_reason(record.report.stale_reason);
    line.set_mounts(record.mounts);
    for (const std::string& object : record.objects) line.add_objects(object);
  }
}

void FillVolumes(const AdminBackend& backend, admin::v1::StatusResponse& response) {
  const WallTime now = backend.clock.Wall();
  for (const VolumeRecord& record : backend.volumes()) {
    admin::v1::Volume& line = *response.add_volumes();
    line.set_namespace_(record.volume->namespace_name);
    line.set_pod(record.volume->pod);
    line.set_class_(record.volume->class_name);
    line.set_provider(record.state.provider);
    line.set_target_path(record.volume->target_path);
    if (record.state.current_at != WallTime()) {
      line.set_age_seconds(SecondsBetween(record.state.current_at, now));
    }
    line.set_stale(record.state.stale);
    line.set_condition(ConditionOf(record.state));
  }
}

// The cache entries that a request selects.
Result<std::function<bool(const EntryKey&)>> MatcherOf(const MountLedger& ledger,
                                                       const admin::v1::RefreshRequest& request) {
  using Matcher = std::function<bool(const EntryKey&)>;
  switch (request.what_case()) {
    case admin::v1::RefreshRequest::kAll:
      if (request.all()) return Matcher([](const EntryKey&) { return true; });
      break;
    case admin::v1::RefreshRequest::kRefGlob:
      return Matcher([glob = request.ref_glob()](const EntryKey& key) {
        return fnmatch(glob.c_str(), key.ref.Text().c_str(), 0) == 0;
      });
    case admin::v1::RefreshRequest::kPod: {
      const std::vector<SecretRef> list = ledger.RefsOfPod(request.pod());
      if (list.empty()) {
        return Error::Format(ErrorCode::kNotFound,
                             "no mount of pod \"{}\" is known; write it as namespace/name, as "
                             "`nodekeep status` shows it",
                             request.pod());
      }
      return Matcher([refs = std::set<SecretRef>(list.begin(), list.end())](const EntryKey& key) {
        return refs.contains(key.ref);
      });
    }
    case admin::v1::RefreshRequest::WHAT_NOT_SET: break;
  }
  return Error(ErrorCode::kInvalid, "say what to refresh: a pod, a glob of refs, or all");
}

Status RefreshEntries(const AdminBackend& backend, const Context& context,
                      const admin::v1::RefreshRequest& request,
                      admin::v1::RefreshResponse& response) {
  const auto matcher = MatcherOf(backend.ledger, request);
  if (!matcher.ok()) return matcher.error();
  const RefreshReport report = backend.fetcher.Refresh(context, *matcher);
  response.set_matched(report.matched);
  response.set_asked(report.asked);
  response.set_changed(report.changed);
  response.set_deferred(report.deferred);
  for (const std::string& error : report.errors) response.add_errors(error);
  if (report.changed > 0) backend.refreshed();
  return {};
}

}  // namespace

AdminService::AdminService(AdminBackend backend)
    : backend_(std::move(backend)),
      started_(backend_.clock.Now()),
      pool_({.max_threads = 2,
             .max_queued = 64,
             .name = "admin-pool",
             .on_exception = backend_.on_exception}),
      refreshes_({.budget = kLongestRefresh,
                  .status_when_pool_refuses =
                      [](const Error&) {
                        return grpc::Status(
                            grpc::StatusCode::RESOURCE_EXHAUSTED,
                            "too many refreshes are in progress; wait for one of them");
                      }},
                 pool_, backend_.clock) {}

grpc::ServerUnaryReactor* AdminService::Status(grpc::CallbackServerContext* context,
                                               const admin::v1::StatusRequest*,
                                               admin::v1::StatusResponse* response) {
  return Guarded(context, backend_.on_exception, [&] {
    const AgentState state = backend_.state();
    response->set_version(backend_.version);
    response->set_node(backend_.node);
    response->set_uptime_seconds(SecondsBetween(started_, backend_.clock.Now()));
    response->set_key_memory(std::string(backend_.sealer.key_memory()));
    response->set_ready(state.ready.ok());
    if (!state.ready.ok()) response->set_not_ready_reason(state.ready.error().message());
    for (const AgentState::Socket& socket : state.sockets) {
      admin::v1::Socket& line = *response->add_sockets();
      line.set_provider(socket.provider);
      line.set_path(socket.path);
    }
    response->mutable_cache()->set_entries(backend_.cache.List().size());
    response->mutable_cache()->set_bytes(backend_.cache.bytes());
    response->mutable_cache()->set_max_bytes(backend_.cache.max_bytes());
    admin::v1::ConfigState& config = *response->mutable_config();
    config.set_file(state.config_file);
    if (state.last_reload) config.set_last_reload(FormatTime(*state.last_reload));
    config.set_reload_error(state.reload_error);
    FillSessions(backend_, *response);
    FillLeases(backend_, *response);
    FillBackends(backend_, *response);
    FillMounts(backend_, *response);
    FillVolumes(backend_, *response);
    return FinishNow(context, grpc::Status::OK);
  });
}

grpc::ServerUnaryReactor* AdminService::Refresh(grpc::CallbackServerContext* context,
                                                const admin::v1::RefreshRequest* request,
                                                admin::v1::RefreshResponse* response) {
  return Guarded(context, backend_.on_exception, [&] {
    return refreshes_.Run(context, "", [this, request, response](const Context& own) {
      return RefreshEntries(backend_, own, *request, *response);
    });
  });
}

grpc::ServerUnaryReactor* AdminService::CacheList(grpc::CallbackServerContext* context,
                                                  const admin::v1::CacheListRequest*,
                                                  admin::v1::CacheListResponse* response) {
  return Guarded(context, backend_.on_exception, [&] {
    for (const EntryInfo& info : backend_.cache.List()) {
      admin::v1::CacheEntry& line = *response->add_entries();
      line.set_ref(info.key.ref.Text());
      line.set_endpoint(info.key.ref.endpoint);
      line.set_scope(info.key.scope);
      line.set_version(info.version);
      line.set_bytes(info.bytes);
      line.set_age_seconds(Seconds(info.age));
      line.set_minted(info.minted);
      line.set_expired(info.expired);
      if (info.failure) line.set_failure(std::string(ErrorCodeName(*info.failure)));
    }
    return FinishNow(context, grpc::Status::OK);
  });
}

grpc::ServerUnaryReactor* AdminService::CacheFlush(grpc::CallbackServerContext* context,
                                                   const admin::v1::CacheFlushRequest*,
                                                   admin::v1::CacheFlushResponse* response) {
  return Guarded(context, backend_.on_exception, [&] {
    response->set_dropped(backend_.cache.Flush());
    return FinishNow(context, grpc::Status::OK);
  });
}

grpc::ServerUnaryReactor* AdminService::Health(grpc::CallbackServerContext* context,
                                               const admin::v1::HealthRequest*,
                                               admin::v1::HealthResponse* response) {
  return Guarded(context, backend_.on_exception, [&] {
    const AgentState state = backend_.state();
    response->set_ready(state.ready.ok());
    if (!state.ready.ok()) response->set_reason(state.ready.error().message());
    return FinishNow(context, grpc::Status::OK);
  });
}

}  // namespace nodekeep
