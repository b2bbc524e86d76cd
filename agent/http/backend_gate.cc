#include "agent/http/backend_gate.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <utility>

#include "agent/base/duration.h"
#include "agent/base/mutex.h"
#include "agent/base/on_exit.h"
#include "agent/http/origin.h"
#include "agent/http/retry.h"

namespace nodekeep {
namespace {

// Breakers of two namespaces that failed within this time tell of the same outage.
constexpr Duration kSameOutage = std::chrono::seconds(30);
// What is known about a namespace at a host is dropped after this long without requests.
constexpr Duration kForgetTenant = std::chrono::minutes(5);

Duration Left(SteadyTime until, SteadyTime now) {
  return until > now ? std::chrono::ceil<Duration>(until - now) : Duration::zero();
}

}  // namespace

// One namespace at one host; of "", the node itself, what applies to all namespaces. Guarded by
// BackendGate::mutex_, except its name.
struct BackendGate::Tenant {
  Tenant(std::string its_name, const CircuitBreaker::Options& options, Rng& rng, SteadyTime now)
      : name(std::move(its_name)),
        breaker(options, rng),
        used(now),
        failed(now),
        held_until(now),
        throttled_until(now) {}

  bool IsNode() const { return name.empty(); }
  bool IsHeld(SteadyTime now) const {
    return now < held_until || breaker.HeldFor(now) > Duration::zero();
  }
  bool IsWorthKeeping(SteadyTime now) const {
    const bool is_known = breaker.failures() > 0 || slowed || now < throttled_until;
    return is_known && now < std::max(used + kForgetTenant, held_until);
  }

  const std::string name;
  CircuitBreaker breaker;
  SteadyTime used;
  SteadyTime failed;                  // the last failure that the breaker counted
  SteadyTime held_until;              // by Retry-After
  SteadyTime throttled_until;         // another namespace throttled until then: the host is
  std::optional<TokenBucket> slowed;  // after throttling, until its rate is the full one again
  std::string last_error;
  std::list<Line*> lines;  // whose callers wait; the next one first
};

// Guarded by BackendGate::mutex_, except its name.
struct BackendGate::Host {
  Host(std::string its_name, const Options& options, Rng& rng, SteadyTime now)
      : name(std::move(its_name)),
        bucket(options.rate, now),
        slots({.name = "host_requests", .capacity = options.max_concurrent}),
        node(std::make_shared<Tenant>("", options.breaker, rng, now)),
        answered(now) {}

  bool AnyBreakerIsOpen() const {
    return node->breaker.open() ||
           std::any_of(tenants.begin(), tenants.end(),
                       [](const auto& tenant) { return tenant.second->breaker.open(); });
  }

  const std::string name;
  TokenBucket bucket;
  SharedResource slots;
  const std::shared_ptr<Tenant> node;
  std::map<std::string, std::shared_ptr<Tenant>> tenants;  // without `node`
  std::list<Tenant*> turns;                                // those with lines; the next one first
  SteadyTime answered;  // the last response that shows a working server
  std::string last_error;
  bool has_failed = false;  // since then
  bool shown_open = false;  // in the metric
  bool is_short = false;    // in short_of_slots_
  std::string owner;        // the namespace that alone uses it; "" = several do, or the node
};

// A request that waits to be sent or was sent.
struct BackendGate::Pending {
  std::size_t index = 0;
  HttpRequest request;
  Line* line = nullptr;
  Duration time_limit{};                                       // of the request
  ServerState (*server_state)(const HttpResponse&) = nullptr;  // of the request
  CircuitBreaker::Pass pass;
  std::vector<SharedResource::Grant> slots;  // at the host, and over all hosts
};

// The requests of one SendAll to one host. `waiting` is guarded by BackendGate::mutex_.
struct BackendGate::Line {
  Caller& caller;
  const std::shared_ptr<Host> host;
  const std::shared_ptr<Tenant> tenant;
  std::deque<Pending> waiting;
  bool joined = false;
};

// One SendAll. `woken` and `admitted` are guarded by BackendGate::mutex_.
struct BackendGate::Caller {
  const Context& context;
  std::map<std::string, Line> lines;  // by host; the map is used by the caller's thread only
  std::condition_variable_any changed;
  bool woken = false;
  std::vector<Pending> admitted;
};

// What a line that cannot be sent now does: fails with `refusal`, or decides again at `wait_until`
// or when woken.
struct BackendGate::Decision {
  std::optional<Error> refusal;
  SteadyTime wait_until = SteadyTime::max();
};

BackendGate::BackendGate(HttpClient& inner, const Clock& clock, Rng& rng, GateMetrics& metrics,
                         Options options)
    : inner_(inner), clock_(clock), rng_(rng), metrics_(metrics), options_(options) {}

BackendGate::~BackendGate() = default;

std::vector<Result<HttpResponse>> BackendGate::SendAll(const Context& context,
                                                       std::vector<HttpRequest> requests) {
  Results results(requests.size());
  Caller caller{context, {}, {}, false, {}};
  std::size_t left = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Result<Origin> origin = ParseOrigin(requests[i]);
    if (!origin.ok()) {
      results[i] = origin.error();
      continue;
    }
    Line& line = FindLine(caller, origin->text);
    Pending pending;
    pending.index = i;
    pending.line = &line;
    pending.time_limit = std::min(requests[i].timeout, requests[i].idle_timeout);
    pending.server_state = requests[i].server_state;
    pending.request = std::move(requests[i]);
    line.waiting.push_back(std::move(pending));
    ++left;
  }
  // Admitted requests are sent before waiting for more slots: otherwise two callers that each hold
  // half of the slots would wait for each other.
  while (left > 0) {
    std::vector<Pending> admitted = Admit(caller, results);
    if (admitted.empty()) break;
    const SteadyTime started = clock_.Now();
    std::size_t recorded = 0;
    const OnThrow record_all([&] {
      const Error thrown(ErrorCode::kInternal, "an unexpected exception");
      while (recorded < admitted.size()) RecordOutcome(admitted[recorded++], thrown, started);
    });
    std::vector<HttpRequest> wave;
    for (Pending& one : admitted) wave.push_back(std::move(one.request));
    std::vector<Result<HttpResponse>> answers = inner_.SendAll(context, std::move(wave));
    while (recorded < admitted.size()) {
      const std::size_t i = recorded++;
      RecordOutcome(admitted[i], answers[i], started);
      results[admitted[i].index] = std::move(answers[i]);
    }
    left -= admitted.size();
  }
  std::vector<Result<HttpResponse>> ordered;
  ordered.reserve(results.size());
  for (auto& result : results) ordered.push_back(*std::move(result));
  return ordered;
}

BackendGate::Line& BackendGate::FindLine(Caller& caller, const std::string& host_name) {
  const auto known = caller.lines.find(host_name);
  if (known != caller.lines.end()) return known->second;
  const std::string& namespace_name = caller.context.namespace_name();
  MutexLock lock(mutex_);
  std::shared_ptr<Host> host = FindHost(host_name, namespace_name);
  std::shared_ptr<Tenant> tenant = FindTenant(*host, namespace_name, clock_.Now());
  Line line{caller, std::move(host), std::move(tenant), {}, false};
  return caller.lines.emplace(host_name, std::move(line)).first->second;
}

std::shared_ptr<BackendGate::Host> BackendGate::FindHost(const std::string& name,
                                                         const std::string& namespace_name) {
  const auto known = by_name_.find(name);
  if (known != by_name_.end()) {
    std::shared_ptr<Host> host = *known->second;
    Hosts& before = by_use_[host->owner];
    if (host->owner != namespace_name) host->owner.clear();
    Hosts& hosts = by_use_[host->owner];
    hosts.splice(hosts.begin(), before, known->second);
    return host;
  }
  while (by_name_.size() >= options_.max_hosts && EvictHost()) {
  }
  auto host = std::make_shared<Host>(name, options_, rng_, clock_.Now());
  host->owner = namespace_name;
  Hosts& hosts = by_use_[namespace_name];
  hosts.push_front(host);
  by_name_[name] = hosts.begin();
  return host;
}

const std::string& BackendGate::MetricHost(const Host& host) const {
  return options_.metric_host.empty() ? host.name : options_.metric_host;
}

// False: all hosts have requests.
bool BackendGate::EvictHost() {
  std::erase_if(by_use_, [](const auto& owner) { return owner.second.empty(); });
  std::vector<Hosts*> largest_first;
  for (auto& [owner, hosts] : by_use_) largest_first.push_back(&hosts);
  std::stable_sort(largest_first.begin(), largest_first.end(),
                   [](const Hosts* a, const Hosts* b) { return a->size() > b->size(); });
  for (Hosts* hosts : largest_first) {
    // Without requests: only the list refers to it.
    const auto unused = std::find_if(hosts->rbegin(), hosts->rend(),
                                     [](const auto& host) { return host.use_count() == 1; });
    if (unused == hosts->rend()) continue;
    metrics_.ForgetBreaker(MetricHost(**unused));
    by_name_.erase((*unused)->name);
    hosts->erase(std::next(unused).base());
    return true;
  }
  return false;
}

std::shared_ptr<BackendGate::Tenant> BackendGate::FindTenant(Host& host,
                                                             const std::string& namespace_name,
                                                             SteadyTime now) {
  if (namespace_name.empty()) return host.node;
  const auto known = host.tenants.find(namespace_name);
  if (known != host.tenants.end()) {
    known->second->used = now;
    return known->second;
  }
  std::erase_if(host.tenants, [&](const auto& tenant) {
    return tenant.second.use_count() == 1 && !tenant.second->IsWorthKeeping(now);
  });
  auto tenant = std::make_shared<Tenant>(namespace_name, options_.breaker, rng_, now);
  host.tenants[namespace_name] = tenant;
  return tenant;
}

std::vector<BackendGate::Pending> BackendGate::Admit(Caller& caller, Results& results) {
  // Runs after `leave` and without the lock: nothing is admitted any more.
  const OnThrow record_all([&] {
    const Error thrown(ErrorCode::kInternal, "an unexpected exception");
    for (Pending& one : caller.admitted) RecordOutcome(one, thrown, clock_.Now());
  });
  MutexLock lock(mutex_);
  const OnExit leave([&] {
    mutex_.AssertHeld();
    for (auto& [name, line] : caller.lines) Leave(line);
  });
  for (auto& [name, line] : caller.lines) {
    if (!line.waiting.empty()) Join(line);
  }
  while (true) {
    const Status alive = caller.context.Check(clock_);
    const SteadyTime now = clock_.Now();
    SteadyTime wait_until = caller.context.deadline();
    bool waits = false;
    caller.woken = false;
    for (auto& [name, line] : caller.lines) {
      if (line.waiting.empty()) continue;
      Decision decision;
      if (alive.ok()) {
        Serve(line.host, now);
        if (line.waiting.empty()) continue;
        decision = Decide(line, now);
      } else {
        decision.refusal = alive.error().Prepend("wait to send to {}", name);
      }
      if (decision.refusal) {
        Leave(line);
        for (const Pending& one : line.waiting) results[one.index] = *decision.refusal;
        line.waiting.clear();
      } else {
        wait_until = std::min(wait_until, decision.wait_until);
        waits = true;
      }
    }
    if (!caller.admitted.empty() || !waits) return std::exchange(caller.admitted, {});
    clock_.WaitUntil(lock, caller.changed, caller.context.stop(), wait_until,
                     [&] { return caller.woken; });
  }
}

void BackendGate::Join(Line& line) {
  Tenant& tenant = *line.tenant;
  std::list<Tenant*>& turns = line.host->turns;
  const bool is_first = tenant.lines.empty();
  tenant.lines.push_back(&line);
  line.joined = true;  // from here on Leave undoes it, should the next step throw
  if (is_first) turns.insert(tenant.IsNode() ? turns.begin() : turns.end(), &tenant);
}

void BackendGate::Leave(Line& line) {
  if (!std::exchange(line.joined, false)) return;
  line.tenant->lines.remove(&line);
  if (line.tenant->lines.empty()) line.host->turns.remove(line.tenant.get());
}

bool BackendGate::Serve(const std::shared_ptr<Host>& host, SteadyTime now) {
  std::list<Tenant*>& turns = host->turns;
  bool admitted = false;
  for (auto turn = turns.begin(); turn != turns.end();) {
    if (host->bucket.Wait(now) > Duration::zero()) break;
    Tenant& tenant = **turn;
    Line& line = *tenant.lines.front();
    if (!TakeSlots(host, tenant, line.waiting.front(), now)) {
      ++turn;
      continue;
    }
    host->bucket.TryTake(now);
    if (tenant.slowed) tenant.slowed->TryTake(now);
    line.waiting.front().pass = tenant.breaker.Admit();
    line.caller.admitted.push_back(std::move(line.waiting.front()));
    admitted = true;
    line.waiting.pop_front();
    line.caller.woken = true;
    line.caller.changed.notify_all();
    // To the end: the line among those of its namespace, and the namespace among all.
    tenant.lines.pop_front();
    line.joined = !line.waiting.empty();
    if (line.joined) tenant.lines.push_back(&line);
    if (tenant.lines.empty()) {
      turns.erase(turn);
    } else if (!tenant.IsNode()) {
      turns.splice(turns.end(), turns, turn);
    }
    turn = turns.begin();
  }
  return admitted;
}

bool BackendGate::ServeFreed(const std::shared_ptr<Host>& host, SteadyTime now) {
  const bool admitted = Serve(host, now);
  const bool time_is_awaited =
      host->bucket.Wait(now) > Duration::zero() || host->node->IsHeld(now) ||
      std::any_of(host->turns.begin(), host->turns.end(), [now](Tenant* tenant) {
        return tenant->IsHeld(now) ||
               (tenant->slowed && tenant->slowed->Wait(now) > Duration::zero());
      });
  if (time_is_awaited) WakeAll(*host);
  return admitted;
}

bool BackendGate::TakeSlots(const std::shared_ptr<Host>& host, Tenant& tenant, Pending& pending,
                            SteadyTime now) {
  if (host->node->IsHeld(now) || tenant.IsHeld(now) || tenant.breaker.Refuses(now)) return false;
  if (tenant.slowed && tenant.slowed->Wait(now) > Duration::zero()) return false;
  auto slot = host->slots.TryTake(tenant.name, 1);
  if (!slot) return false;
  pending.slots.push_back(*std::move(slot));
  if (options_.in_flight == nullptr) return true;
  auto place = options_.in_flight->TryTake(tenant.name, 1);
  if (place) {
    pending.slots.push_back(*std::move(place));
    return true;
  }
  pending.slots.clear();
  if (!std::exchange(host->is_short, true)) short_of_slots_.push_back(host);
  return false;
}

void BackendGate::WakeAll(Host& host) {
  for (const Tenant* tenant : host.turns) {
    for (Line* line : tenant->lines) {
      line->caller.woken = true;
      line->caller.changed.notify_all();
    }
  }
}

BackendGate::Decision BackendGate::Decide(const Line& line, SteadyTime now) {
  Host& host = *line.host;
  Tenant& tenant = *line.tenant;
  const SteadyTime deadline = line.caller.context.deadline();
  const std::string for_tenant = tenant.IsNode() ? "" : " for namespace " + tenant.name;
  Decision decision;
  const bool is_host_held = host.node->breaker.HeldFor(now) > Duration::zero();
  if (is_host_held || tenant.breaker.Refuses(now)) {
    const CircuitBreaker& breaker = is_host_held ? host.node->breaker : tenant.breaker;
    const Duration left = breaker.HeldFor(now);
    const std::string how_long = left == Duration::zero()
                                     ? "until the request under way shows that it is back"
                                     : "for " + FormatDuration(left);
    Error error = Error::Format(ErrorCode::kTransient,
                                "backend {} is held back{} {} after {} failures, last: {}",
                                host.name, is_host_held ? "" : for_tenant, how_long,
                                breaker.failures(), breaker.last_failure());
    decision.refusal = left == Duration::zero() ? error : std::move(error).WithRetryAfter(left);
    return decision;
  }
  const SteadyTime held_until = std::max(host.node->held_until, tenant.held_until);
  if (now < held_until) {
    const bool is_own = tenant.held_until > host.node->held_until;
    const Duration left = Left(held_until, now);
    decision.wait_until = held_until;
    if (held_until >= deadline) {
      decision.refusal = Error::Format(ErrorCode::kThrottled,
                                       "backend {} requires a pause of another {}{}, longer than "
                                       "this request may take (last error: {})",
                                       host.name, FormatDuration(left), is_own ? for_tenant : "",
                                       is_own ? tenant.last_error : host.last_error)
                             .WithRetryAfter(left);
    }
    return decision;
  }
  Duration wait = host.bucket.Wait(now);
  double rate = host.bucket.Rate(now);
  const bool is_slowed = tenant.slowed && tenant.slowed->Wait(now) > wait;
  if (is_slowed) {
    wait = tenant.slowed->Wait(now);
    rate = tenant.slowed->Rate(now);
  }
  if (wait == Duration::zero()) return decision;
  decision.wait_until = now + wait;
  if (decision.wait_until >= deadline) {
    decision.refusal =
        Error::Format(ErrorCode::kThrottled,
                      "backend {} is limited to {:.0f} requests per second{}: the next may be sent "
                      "in {}, later than this one may wait",
                      host.name, rate, is_slowed ? for_tenant : "", FormatDuration(wait))
            .WithRetryAfter(wait);
  }
  return decision;
}

void BackendGate::RecordOutcome(Pending& sent, const Result<HttpResponse>& result,
                                SteadyTime started) {
  const std::shared_ptr<Host>& host = sent.line->host;
  Tenant& tenant = *sent.line->tenant;
  MutexLock lock(mutex_);
  const SteadyTime now = clock_.Now();
  sent.slots.clear();
  if (result.ok()) {
    RecordResponse(sent, *result, now);
  } else {
    RecordError(sent, result.error(), started, now);
  }
  if (tenant.slowed && tenant.slowed->Rate(now) >= options_.rate.rate) tenant.slowed.reset();
  // Under the lock, so that the later of two changes wins; the call only writes to memory.
  const bool is_open = host->AnyBreakerIsOpen();
  if (std::exchange(host->shown_open, is_open) != is_open) {
    metrics_.SetBreakerOpen(MetricHost(*host), is_open);
  }
  // The host of this outcome last: otherwise its waiting requests would take every place.
  const std::list<std::shared_ptr<Host>> waiting = std::exchange(short_of_slots_, {});
  for (const std::shared_ptr<Host>& other : waiting) other->is_short = false;
  std::list<std::shared_ptr<Host>> served;
  for (const std::shared_ptr<Host>& other : waiting) {
    if (ServeFreed(other, now)) served.push_back(other);
  }
  ServeFreed(host, now);
  // Those that were served and are short again: to the end.
  for (const std::shared_ptr<Host>& other : served) {
    if (!other->is_short) continue;
    short_of_slots_.remove(other);
    short_of_slots_.push_back(other);
  }
}

void BackendGate::RecordResponse(const Pending& sent, const HttpResponse& response,
                                 SteadyTime now) {
  Host& host = *sent.line->host;
  Tenant& tenant = *sent.line->tenant;
  const std::string words = fmt::format("HTTP {}", response.status);
  const ServerState state = sent.server_state(response);
  const std::optional<Duration> retry_after =
      ParseRetryAfter(response.Header("retry-after"), clock_.Wall());
  // RFC 9110 section 10.2.3: any 503 may carry a Retry-After.
  if (state == ServerState::kThrottles || (response.status == 503 && retry_after)) {
    host.last_error = tenant.last_error = words;
    Throttle(host, tenant, std::min(retry_after.value_or(Duration()), options_.longest_hold), now);
  }
  // A 5xx may come from a proxy in front of the server.
  const bool answered =
      state == ServerState::kWorks || (state == ServerState::kThrottles && response.status < 500);
  if (answered) {
    Answered(sent, now);
    return;
  }
  host.last_error = words;
  if (state == ServerState::kDown) {
    Failed(sent, now, words);
  } else {
    tenant.breaker.Abandoned(sent.pass);
  }
}

void BackendGate::RecordError(const Pending& sent, const Error& error, SteadyTime started,
                              SteadyTime now) {
  Host& host = *sent.line->host;
  CircuitBreaker& breaker = sent.line->tenant->breaker;
  const auto took = now - started;
  const bool hung = error.code() == ErrorCode::kDeadlineExceeded && took >= options_.hung_after;
  const bool had_no_time = took >= sent.time_limit && sent.time_limit < options_.hung_after;
  if (error.code() == ErrorCode::kTransient || hung) {
    host.last_error = error.message();
    if (had_no_time || error.of_request() || host.answered > started) {
      breaker.Abandoned(sent.pass);
    } else {
      Failed(sent, now, error.message());
    }
  } else if (error.code() == ErrorCode::kTooLarge) {
    Answered(sent, now);  // the backend did respond
  } else {
    breaker.Abandoned(sent.pass);
  }
}

// The host as a whole is held for as long as two namespaces were told, or the node was.
void BackendGate::Throttle(Host& host, Tenant& tenant, Duration hold, SteadyTime now) {
  tenant.held_until = std::max(tenant.held_until, now + hold);
  tenant.throttled_until = std::max(tenant.held_until, now + options_.rate.between_halvings);
  if (tenant.IsNode()) {
    host.bucket.Halve(now);
    return;
  }
  if (!tenant.slowed) tenant.slowed.emplace(options_.rate, now);
  tenant.slowed->Halve(now);
  for (const auto& [name, other] : host.tenants) {
    if (other.get() == &tenant || other->throttled_until <= now) continue;
    host.bucket.Halve(now);
    host.node->held_until =
        std::max(host.node->held_until, std::min(tenant.held_until, other->held_until));
  }
}

void BackendGate::Answered(const Pending& sent, SteadyTime now) {
  Host& host = *sent.line->host;
  host.answered = now;
  if (!sent.line->tenant->breaker.Succeeded(sent.pass) || !host.has_failed) return;
  host.has_failed = false;
  host.node->breaker.Close();
  for (const auto& [name, tenant] : host.tenants) tenant->breaker.Close();
}

void BackendGate::Failed(const Pending& sent, SteadyTime now, const std::string& reason) {
  Host& host = *sent.line->host;
  Tenant& tenant = *sent.line->tenant;
  host.has_failed = true;
  tenant.failed = now;
  const bool opened = tenant.breaker.Failed(sent.pass, now, reason);
  if (!opened || tenant.IsNode()) return;
  const bool others_too =
      std::any_of(host.tenants.begin(), host.tenants.end(), [&](const auto& other) {
        return other.second.get() != &tenant && other.second->breaker.open() &&
               now - other.second->failed <= kSameOutage;
      });
  if (others_too) host.node->breaker.Trip(now, tenant.breaker.failures(), reason);
}

std::vector<BackendState> BackendGate::States() const {
  std::vector<BackendState> states;
  MutexLock lock(mutex_);
  const SteadyTime now = clock_.Now();
  for (const auto& [name, place] : by_name_) {
    Host& host = **place;
    const auto held_for = [now](const Tenant& tenant) {
      return std::max(tenant.breaker.HeldFor(now), Left(tenant.held_until, now));
    };
    BackendState state;
    state.host = name;
    state.breaker_open = host.AnyBreakerIsOpen();
    state.last_error = host.last_error;
    state.held_for = held_for(*host.node);
    if (state.held_for == Duration::zero()) {
      for (const auto& [namespace_name, tenant] : host.tenants) {
        if (!tenant->IsHeld(now)) continue;
        state.held_for = std::max(state.held_for, held_for(*tenant));
        state.held_namespaces.push_back(namespace_name);
      }
    }
    state.rate = host.bucket.Rate(now);
    state.in_flight = host.slots.used();
    states.push_back(std::move(state));
  }
  return states;
}

}  // namespace nodekeep
