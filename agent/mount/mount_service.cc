#include "agent/mount/mount_service.h"

#include <utility>

namespace nodekeep {
namespace {

// Limits the log line of a class with thousands of objects.
constexpr std::size_t kRefsInLog = 20;

std::string RefList(const MountPlan& plan) {
  std::string text;
  std::size_t count = 0;
  for (const PlannedRead& read : plan.parsed->reads) {
    if (count++ == kRefsInLog) return text + ", ...";
    if (!text.empty()) text += ", ";
    text += read.ref->path;
  }
  return text;
}

// Equal for equal contents: a version is a keyed digest of the object, or the backend's own.
std::size_t ContentOf(const Bundle& bundle) {
  std::size_t digest = bundle.files.size();
  for (const ObjectVersion& version : bundle.versions) {
    digest = digest * 31 + std::hash<std::string>()(version.id + "\n" + version.version);
  }
  return digest;
}

}  // namespace

MountService::MountService(Options options, Dependencies dependencies)
    : options_(std::move(options)),
      dependencies_(std::move(dependencies)),
      parsed_(dependencies_.class_bytes) {}

Result<Bundle> MountService::Mount(const Context& context, const std::string& name,
                                   Result<MountRequest> request, SpcWarnings* warnings) {
  const Clock& clock = dependencies_.clock;
  const SteadyTime begun = clock.Now();
  MountPlanPtr plan;
  Result<Bundle> outcome = [&]() -> Result<Bundle> {
    const std::shared_ptr<const Provider> provider = dependencies_.providers(name);
    if (provider == nullptr) {
      return Error::Format(ErrorCode::kPrecondition, "provider \"{}\" is not enabled on this node",
                           name);
    }
    if (!request.ok()) return request.error();
    // Read from the parsed request, whatever the server could know before.
    const Context own = request->identity.namespace_name.empty()
                            ? context
                            : context.WithNamespace(request->identity.namespace_name);
    Result<MountPlanPtr> planned =
        PlanMount(own, *provider, *std::move(request),
                  {.tokens = options_.tokens, .memo = &parsed_, .now = clock.Wall()});
    if (!planned.ok()) return planned.error();
    plan = *planned;
    if (warnings != nullptr) *warnings = plan->parsed->mount.warnings;
    return AssembleBundle(*plan, dependencies_.fetcher.Read(own, plan->read), options_.version_key,
                          Limits());
  }();
  if (outcome.ok()) outcome->report.refresh_after = plan->parsed->mount.policy.refresh_after;
  Account(name, plan.get(), outcome, clock.Now() - begun);
  return outcome;
}

std::optional<Result<Bundle>> MountService::MountFromMemory(MountRequest& request) {
  const SteadyTime begun = dependencies_.clock.Now();
  const std::shared_ptr<const Provider> provider = dependencies_.providers(request.provider);
  if (provider == nullptr) return std::nullopt;
  const std::string name = request.provider;
  const MountPlanPtr plan = PlanKnownMount(*provider, request, parsed_);
  if (plan == nullptr) return std::nullopt;
  std::optional<Answers> answers;
  if (plan->parsed->mount.projections.size() <= kMaxFromMemory) {
    answers = dependencies_.fetcher.ReadFromMemory(plan->read);
  }
  if (!answers) {
    request.identity = plan->read->identity.Clone();
    return std::nullopt;
  }
  Result<Bundle> outcome =
      AssembleBundle(*plan, *std::move(answers), options_.version_key, Limits());
  Account(name, plan.get(), outcome, dependencies_.clock.Now() - begun);
  return outcome;
}

BundleLimits MountService::Limits() const {
  return {.max_bytes = options_.max_bundle_bytes, .memory = &dependencies_.answer_bytes};
}

void MountService::Account(const std::string& provider, const MountPlan* plan,
                           const Result<Bundle>& outcome, SteadyTime::duration took) {
  const std::string_view name = outcome.ok() ? (outcome->report.stale > 0 ? "stale" : "ok")
                                             : ErrorCodeName(outcome.error().code());
  dependencies_.metrics.CountMount(provider, name, took);
  const double milliseconds = std::chrono::duration<double, std::milli>(took).count();
  const std::string pod = plan != nullptr ? plan->read->identity.Text() : "(not parsed)";
  const std::string refs = plan != nullptr ? RefList(*plan) : "";
  bool is_unchanged = false;
  if (plan != nullptr) {
    is_unchanged = dependencies_.ledger.Record(
        *plan,
        outcome.ok() ? Result<ReadReport>(outcome->report) : Result<ReadReport>(outcome.error()),
        std::chrono::duration_cast<Duration>(took), outcome.ok() ? ContentOf(*outcome) : 0);
  }
  if (!outcome.ok()) {
    dependencies_.log.Warn("mount", {{"pod", pod},
                                     {"provider", provider},
                                     {"refs", refs},
                                     {"ms", milliseconds},
                                     {"outcome", name},
                                     {"error", outcome.error().message()}});
    return;
  }
  const ReadReport& report = outcome->report;
  // A volume is refreshed every few minutes, so most refreshes find nothing new.
  const LogLevel level = report.stale > 0 ? LogLevel::kWarn
                         : is_unchanged   ? LogLevel::kDebug
                                          : LogLevel::kInfo;
  dependencies_.log.Write(level, Context(), "mount",
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
                           {"warnings", plan->parsed->mount.warnings.Text()},
                           {"ms", milliseconds},
                           {"outcome", name}});
}

}  // namespace nodekeep
