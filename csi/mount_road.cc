#include "csi/mount_road.h"

#include <algorithm>

namespace nodekeep {
namespace {

// A class with thousands of objects must not make a log line of a megabyte.
constexpr std::size_t kRefsInLog = 20;

std::string RefList(const FetchPlan& plan) {
  std::string text;
  std::size_t count = 0;
  for (const SecretRef& ref : plan.Refs()) {
    if (count++ == kRefsInLog) return text + ", ...";
    if (!text.empty()) text += ", ";
    text += ref.path;
  }
  return text;
}

}  // namespace

MountRoad::MountRoad(ProviderLookup providers, Fetcher& fetcher, MountLedger& ledger,
                     TokenSource* tokens, std::string node, const Clock& clock, Logger& log,
                     Metrics& metrics)
    : providers_(std::move(providers)),
      fetcher_(fetcher),
      ledger_(ledger),
      tokens_(tokens),
      node_(std::move(node)),
      clock_(clock),
      log_(log),
      metrics_(metrics) {}

Result<Bundle> MountRoad::Mount(const Context& context, const Request& request) {
  return Run(context, request.provider,
             ReadMountRequest(request.attributes, request.secrets, request.permission,
                              request.target_path));
}

Result<Bundle> MountRoad::Mount(const Context& context, const std::string& provider,
                                MountRequestValues values) {
  return Run(context, provider, std::move(values));
}

Result<Bundle> MountRoad::Run(const Context& context, const std::string& name,
                              Result<MountRequestValues> values) {
  const SteadyTime begun = clock_.Now();
  PlanPtr plan;
  Result<Bundle> outcome = [&]() -> Result<Bundle> {
    std::shared_ptr<Provider> provider = providers_(name);
    if (provider == nullptr) {
      return Error::Format(ErrorCode::kPrecondition, "provider \"{}\" is not enabled on this node",
                           name);
    }
    if (!values.ok()) return values.error();
    values->node = node_;
    Result<PlanPtr> planned = PlanMount(context, name, std::move(provider), *std::move(values),
                                        tokens_, &parsed_);
    if (!planned.ok()) return planned.error();
    plan = *planned;
    return fetcher_.Fetch(context, plan);
  }();
  if (outcome.ok()) outcome->report.refresh_after = plan->mount.policy.refresh_after;
  Account(name, plan.get(), outcome, clock_.Now() - begun);
  return outcome;
}

std::optional<Result<Bundle>> MountRoad::MountFromMemory(const Request& request) {
  const SteadyTime begun = clock_.Now();
  std::shared_ptr<Provider> provider = providers_(request.provider);
  if (provider == nullptr) return std::nullopt;
  Result<MountRequestValues> values = ReadMountRequest(request.attributes, request.secrets,
                                                       request.permission, request.target_path);
  if (!values.ok()) return std::nullopt;
  values->node = node_;
  const PlanPtr plan = PlanKnownMount(request.provider, std::move(provider), *values, parsed_);
  if (plan == nullptr || plan->mount.projections.size() > kMaxInline) return std::nullopt;
  std::optional<Result<Bundle>> outcome = fetcher_.FetchFromMemory(plan);
  if (outcome) Account(request.provider, plan.get(), *outcome, clock_.Now() - begun);
  return outcome;
}

void MountRoad::Account(const std::string& provider, const FetchPlan* plan,
                        const Result<Bundle>& outcome, SteadyTime::duration took) {
  const std::string_view name = outcome.ok() ? (outcome->report.stale > 0 ? "stale" : "ok")
                                             : ErrorCodeName(outcome.error().code());
  metrics_.CountMount(provider, name, took);
  const double milliseconds = std::chrono::duration<double, std::milli>(took).count();
  const std::string pod = plan != nullptr ? plan->identity.Text() : "(not parsed)";
  const std::string refs = plan != nullptr ? RefList(*plan) : "";
  if (plan != nullptr) {
    ledger_.Record(*plan,
                   outcome.ok() ? Result<FetchReport>(outcome->report)
                                : Result<FetchReport>(outcome.error()),
                   std::chrono::duration_cast<Duration>(took));
  }
  if (!outcome.ok()) {
    log_.Warn("mount", {{"pod", pod},
                        {"provider", provider},
                        {"refs", refs},
                        {"ms", milliseconds},
                        {"outcome", name},
                        {"error", outcome.error().message()}});
    return;
  }
  const FetchReport& report = outcome->report;
  const LogLevel level = report.stale > 0 ? LogLevel::kWarn : LogLevel::kInfo;
  log_.Write(level, Context(), "mount",
             {{"pod", pod},
              {"provider", provider},
              {"refs", refs},
              {"files", outcome->files.size()},
              {"hits", report.hits},
              {"backend_reads", report.backend_reads},
              {"logins", report.logins},
              {"stale", report.stale},
              {"stale_age_ms", report.stale_age.count()},
              {"stale_reason", report.stale_reason},
              {"ms", milliseconds},
              {"outcome", name}});
}

}  // namespace nodekeep
