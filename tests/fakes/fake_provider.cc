#include "tests/fakes/fake_provider.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "agent/base/mutex.h"

namespace nodekeep {
namespace {

std::string AttributeOf(const SpcInput& input, const std::string& name,
                        const std::string& fallback) {
  auto found = input.parameters.find(name);
  return found == input.parameters.end() ? fallback : found->second;
}

Projection ProjectionOf(const std::string& item) {
  const std::size_t hash = item.find('#');
  Projection projection;
  projection.object = item;
  projection.ref.provider = "fake";
  projection.ref.endpoint = "fake://backend";
  projection.ref.path = item.substr(0, hash);
  if (hash != std::string::npos) projection.field = item.substr(hash + 1);
  projection.path = item;
  std::replace(projection.path.begin(), projection.path.end(), '/', '-');
  std::replace(projection.path.begin(), projection.path.end(), '#', '.');
  return projection;
}

}  // namespace

void FakeProvider::SetValue(const std::string& path, std::string value, std::string version) {
  MutexLock lock(mutex_);
  values_[path] = Value{std::move(value), std::move(version), Duration::zero(), "", false, 0};
}

void FakeProvider::SetMinted(const std::string& path, std::string value, Duration lifetime,
                             std::string lease_id, bool renewable) {
  MutexLock lock(mutex_);
  values_[path] = Value{std::move(value), "", lifetime, std::move(lease_id), renewable, 0};
}

void FakeProvider::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  values_.erase(path);
}

void FakeProvider::FailReads(const std::string& path, std::vector<Error> errors) {
  MutexLock lock(mutex_);
  auto& faults = read_faults_[path];
  faults.insert(faults.end(), errors.begin(), errors.end());
}

void FakeProvider::FailAlways(const std::string& path, Error error) {
  MutexLock lock(mutex_);
  read_outages_.insert_or_assign(path, std::move(error));
}

void FakeProvider::ClearFaults() {
  MutexLock lock(mutex_);
  read_outages_.clear();
  read_faults_.clear();
  login_outage_.reset();
  login_faults_.clear();
  renewal_faults_.clear();
  revocation_faults_.clear();
  login_revocation_faults_.clear();
}

void FakeProvider::SetReader(Reader reader) {
  MutexLock lock(mutex_);
  reader_ = std::move(reader);
}

void FakeProvider::SetSharing(Sharing sharing) {
  MutexLock lock(mutex_);
  sharing_ = sharing;
}

void FakeProvider::SetLoginLifetime(Duration lifetime, bool renewable) {
  MutexLock lock(mutex_);
  login_lifetime_ = lifetime;
  login_renewable_ = renewable;
}

void FakeProvider::FailLogins(std::vector<Error> errors) {
  MutexLock lock(mutex_);
  login_faults_.insert(login_faults_.end(), errors.begin(), errors.end());
}

void FakeProvider::FailLoginsAlways(Error error) {
  MutexLock lock(mutex_);
  login_outage_ = std::move(error);
}

void FakeProvider::SetLoginHandler(LogIn log_in) {
  MutexLock lock(mutex_);
  log_in_ = std::move(log_in);
}

void FakeProvider::RefuseToken(const std::string& token) {
  MutexLock lock(mutex_);
  refused_tokens_.push_back(token);
}

void FakeProvider::FailRenewals(std::vector<Error> errors) {
  MutexLock lock(mutex_);
  renewal_faults_.insert(renewal_faults_.end(), errors.begin(), errors.end());
}

void FakeProvider::FailRevocations(std::vector<Error> errors) {
  MutexLock lock(mutex_);
  revocation_faults_.insert(revocation_faults_.end(), errors.begin(), errors.end());
}

void FakeProvider::FailLoginRevocations(std::vector<Error> errors) {
  MutexLock lock(mutex_);
  login_revocation_faults_.insert(login_revocation_faults_.end(), errors.begin(), errors.end());
}

void FakeProvider::SetRenewedLifetime(Duration lifetime) {
  MutexLock lock(mutex_);
  renewed_lifetime_ = lifetime;
}

void FakeProvider::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
}

void FakeProvider::CloseLeases() {
  MutexLock lock(mutex_);
  leases_closed_ = true;
}

void FakeProvider::Open() {
  MutexLock lock(mutex_);
  closed_ = false;
  leases_closed_ = false;
  changed_.notify_all();
}

bool FakeProvider::AwaitWaiting(std::size_t count) const {
  MutexLock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [&] {
    mutex_.AssertHeld();
    return waiting_ >= count;
  });
}

std::size_t FakeProvider::reads(const std::string& path) const {
  MutexLock lock(mutex_);
  return std::count_if(calls_.begin(), calls_.end(), [&](const FakeCall& call) {
    return call.verb == "read" && call.what == path;
  });
}

std::size_t FakeProvider::batches() const {
  MutexLock lock(mutex_);
  return batches_;
}

std::size_t FakeProvider::Count(const std::string& verb) const {
  MutexLock lock(mutex_);
  return std::count_if(calls_.begin(), calls_.end(),
                       [&](const FakeCall& call) { return call.verb == verb; });
}

std::vector<FakeCall> FakeProvider::calls() const {
  MutexLock lock(mutex_);
  return calls_;
}

Result<ParsedMount> FakeProvider::Parse(const SpcInput& input) const {
  ParsedMount mount;
  std::istringstream items(AttributeOf(input, "objects", ""));
  for (std::string item; std::getline(items, item, ',');) {
    mount.projections.push_back(ProjectionOf(item));
  }
  if (mount.projections.empty()) {
    return Error(ErrorCode::kInvalid, "parameter objects: name at least one path");
  }
  Result<Policy> policy = ReadPolicy(input.parameters, {.refresh_after_min = Duration::zero()}, {});
  if (!policy.ok()) return policy.error();
  mount.policy = *policy;
  if (Status marked = MarkOptional(input.parameters, mount.projections); !marked.ok()) {
    return marked.error();
  }
  auto options = std::make_shared<FakeOptions>();
  options->login_text = AttributeOf(input, "login", options->login_text);
  mount.options = options;
  mount.mount_error = AttributeOf(input, "mountError", "");
  if (const std::string warning = AttributeOf(input, "warning", ""); !warning.empty()) {
    mount.warnings.Add([&] { return warning; });
  }
  return mount;
}

Result<Credential> FakeProvider::Authenticate(const Context& context, const ProviderOptions&,
                                              const Identity& identity) {
  LogIn log_in;
  {
    MutexLock lock(mutex_);
    calls_.push_back({"login", identity.Text(), ""});
    if (Status passed = PassGate(lock, context, closed_); !passed.ok()) return passed.error();
    if (login_outage_) return *login_outage_;
    if (!login_faults_.empty()) {
      const Error fault = login_faults_.front();
      login_faults_.pop_front();
      return fault;
    }
    if (!log_in_) {
      Credential credential;
      credential.token = SecretBytes("token-" + std::to_string(++login_number_));
      credential.sharing = sharing_;
      credential.service_account_uid = identity.service_account_uid;
      credential.lifetime = login_lifetime_;
      credential.renewable = login_renewable_;
      if (login_lifetime_ > Duration::zero()) credential.expires = clock_.Now() + login_lifetime_;
      return credential;
    }
    log_in = log_in_;
  }
  return log_in(context, identity);
}

std::vector<Result<Answer>> FakeProvider::Fetch(const Context& context, const ProviderOptions&,
                                                const Credential& credential,
                                                std::span<const Question> questions) {
  std::vector<Result<Answer>> answers;
  Reader reader;
  {
    MutexLock lock(mutex_);
    ++batches_;
    for (const Question& question : questions) {
      calls_.push_back({"read", question.ref.path, std::string(credential.token.Reveal())});
    }
    if (Status passed = PassGate(lock, context, closed_); !passed.ok()) {
      for (std::size_t i = 0; i < questions.size(); ++i) answers.push_back(passed.error());
      return answers;
    }
    if (!reader_) {
      for (const Question& question : questions) {
        answers.push_back(AnswerOf(credential, question));
      }
      return answers;
    }
    reader = reader_;
  }
  for (const Question& question : questions) {
    answers.push_back(reader(context, credential, question));
  }
  return answers;
}

Result<std::vector<RenderedFile>> FakeProvider::RenderFiles(const Projection& projection,
                                                            const SecretBytes& answer) const {
  if (projection.field.empty()) return OneFile(projection, answer.Clone());
  std::istringstream lines{std::string(answer.Reveal())};
  const std::string start = projection.field + "=";
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(start)) continue;
    return OneFile(projection, SecretBytes(std::string_view(line).substr(start.size())));
  }
  return Error::Format(ErrorCode::kNotFound, "key \"{}\" does not exist", projection.field);
}

Result<Credential> FakeProvider::RenewCredential(const Context&, const ProviderOptions&,
                                                 const Credential& credential) {
  MutexLock lock(mutex_);
  const std::string token(credential.token.Reveal());
  calls_.push_back({"renew-login", token, token});
  ThrowIfRequested();
  if (std::optional<Error> fault = NextRenewalFault()) return *fault;
  Credential renewed;
  renewed.token = credential.token.Clone();
  renewed.sharing = credential.sharing;
  renewed.service_account_uid = credential.service_account_uid;
  renewed.renewable = credential.renewable;
  renewed.lifetime =
      renewed_lifetime_ > Duration::zero() ? renewed_lifetime_ : credential.lifetime;
  if (renewed.lifetime > Duration::zero()) renewed.expires = clock_.Now() + renewed.lifetime;
  return renewed;
}

Status FakeProvider::RevokeCredential(const Context&, const ProviderOptions&,
                                      const Credential& credential) {
  MutexLock lock(mutex_);
  const std::string token(credential.token.Reveal());
  calls_.push_back({"revoke-login", token, token});
  if (login_revocation_faults_.empty()) return {};
  const Error fault = login_revocation_faults_.front();
  login_revocation_faults_.pop_front();
  return fault;
}

Result<Lease> FakeProvider::RenewLease(const Context& context, const ProviderOptions&,
                                       const Credential& credential, const Lease& lease) {
  MutexLock lock(mutex_);
  calls_.push_back({"renew-lease", lease.id, std::string(credential.token.Reveal())});
  ThrowIfRequested();
  if (Status passed = PassGate(lock, context, leases_closed_); !passed.ok()) return passed.error();
  if (std::optional<Error> fault = NextRenewalFault()) return *fault;
  Lease renewed = lease;
  if (renewed_lifetime_ > Duration::zero()) renewed.lifetime = renewed_lifetime_;
  return renewed;
}

Status FakeProvider::RevokeLease(const Context& context, const ProviderOptions&,
                                 const Credential& credential, const Lease& lease) {
  MutexLock lock(mutex_);
  calls_.push_back({"revoke-lease", lease.id, std::string(credential.token.Reveal())});
  ThrowIfRequested();
  if (Status passed = PassGate(lock, context, leases_closed_); !passed.ok()) return passed;
  if (revocation_faults_.empty()) return {};
  const Error fault = revocation_faults_.front();
  revocation_faults_.pop_front();
  return fault;
}

void FakeProvider::ThrowIfRequested() {
  if (throws_.exchange(false)) throw std::runtime_error("a defect of the fake");
}

Status FakeProvider::PassGate(MutexLock& lock, const Context& context, const bool& closed) {
  if (!closed) return {};
  ++waiting_;
  changed_.notify_all();
  const bool open = clock_.WaitUntil(lock, changed_, context.stop(), context.deadline(),
                                     [&closed] { return !closed; });
  --waiting_;
  if (open) return {};
  return context.stop().stop_requested()
             ? Error(ErrorCode::kCancelled, "the call was cancelled")
             : Error(ErrorCode::kDeadlineExceeded, "the call's deadline has passed");
}

std::optional<Error> FakeProvider::NextFault(const std::string& path) {
  for (const std::string& key : {path, std::string()}) {
    auto faults = read_faults_.find(key);
    if (faults != read_faults_.end() && !faults->second.empty()) {
      const Error fault = faults->second.front();
      faults->second.pop_front();
      return fault;
    }
    auto outage = read_outages_.find(key);
    if (outage != read_outages_.end()) return outage->second;
  }
  return std::nullopt;
}

Result<Answer> FakeProvider::AnswerOf(const Credential& credential, const Question& question) {
  const std::string token(credential.token.Reveal());
  if (std::find(refused_tokens_.begin(), refused_tokens_.end(), token) != refused_tokens_.end()) {
    return Error(ErrorCode::kDenied, "the token is refused");
  }
  const std::string& path = question.ref.path;
  if (std::optional<Error> fault = NextFault(path)) return *fault;
  auto found = values_.find(path);
  if (found == values_.end()) {
    return Error::Format(ErrorCode::kNotFound, "nothing at \"{}\"", path);
  }
  Value& value = found->second;
  Answer answer;
  answer.version = value.version;
  if (!value.version.empty() && value.version == question.known_version) {
    answer.unchanged = true;
    return answer;
  }
  answer.value = SecretBytes(value.text);
  answer.lifetime = value.lifetime;
  if (!value.lease_id.empty()) {
    answer.lease = Lease{value.lease_id + "." + std::to_string(++value.issued), value.lifetime,
                         value.renewable};
  }
  return answer;
}

std::optional<Error> FakeProvider::NextRenewalFault() {
  if (renewal_faults_.empty()) return std::nullopt;
  const Error fault = renewal_faults_.front();
  renewal_faults_.pop_front();
  return fault;
}

Identity MakeIdentity(const std::string& namespace_name, const std::string& pod,
                      const std::string& service_account, const std::string& sa_uid) {
  Identity identity;
  identity.namespace_name = namespace_name;
  identity.pod = {pod, "uid-of-" + pod};
  identity.service_account = service_account;
  identity.service_account_uid = sa_uid == "-" ? "uid-of-" + service_account : sa_uid;
  return identity;
}

}  // namespace nodekeep
