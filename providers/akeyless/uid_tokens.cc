#include "providers/akeyless/uid_tokens.h"

#include "agent/base/digest.h"

namespace nodekeep::akeyless {

Result<UidTokens::Newest> UidTokens::Get(const Context& context, const Options& options,
                                         std::string_view first) {
  std::unique_lock lock(mutex_);
  Identity& identity = identities_[Sha256Hex(first)];  // stays where it is: a map, nothing erased
  if (identity.token.empty()) identity.token = SecretBytes(first);
  if (!clock_.WaitUntil(lock, idle_, context.stop(), context.deadline(),
                        [&] { return !identity.busy; })) {
    lock.unlock();
    if (Status over = context.Check(clock_); !over.ok()) return over.error();
    return Error(ErrorCode::kDeadlineExceeded, "waited for the rotation of a universal identity");
  }
  if (clock_.Now() < identity.next) {
    return Newest{identity.token.Clone(), identity.not_rotated, false};
  }
  identity.busy = true;
  const SecretBytes old = identity.token.Clone();
  lock.unlock();
  Result<SecretBytes> next = Rotate(context, options, old);
  lock.lock();
  identity.busy = false;
  identity.not_rotated.reset();
  const bool refused = !next.ok() && next.error().IsFinal();
  if (next.ok()) {
    identity.token = *std::move(next);
    identity.next = clock_.Now() + kRotateEvery;
  } else {
    identity.not_rotated = next.error();
    if (refused) identity.next = clock_.Now() + kDeniedFor;
  }
  Newest newest{identity.token.Clone(), identity.not_rotated, refused};
  lock.unlock();
  idle_.notify_all();
  return newest;
}

Result<SecretBytes> UidTokens::Rotate(const Context& context, const Options& options,
                                      const SecretBytes& token) {
  // Not idempotent, but a lost reply does no harm: without our acknowledgement `token` stays valid.
  Result<Json> reply = api_.Send(
      context, options, Step::kMint,
      {"uid-rotate-token",
       RequestBody().Text("uid-token", token.Reveal()).Flag("with-manual-ack", true).Take()});
  if (!reply.ok()) return reply.error();
  std::optional<std::string> text = TextOf(Find(*reply, {"token"}));
  if (!text || text->empty()) {
    return Error(ErrorCode::kTransient, "the reply to uid-rotate-token has no token");
  }
  SecretBytes next = SecretBytes::TakeFrom(*std::move(text));
  // Whatever becomes of this call, `next` is valid; at worst `token` is so too, for some time.
  (void)api_.Send(context, options, Step::kLogin,
                  {"uid-rotate-token", RequestBody()
                                           .Text("uid-token", token.Reveal())
                                           .Text("send-manual-ack-token", next.Reveal())
                                           .Take()});
  return next;
}

}  // namespace nodekeep::akeyless
