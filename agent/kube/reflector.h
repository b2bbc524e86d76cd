#pragma once

// Follows one selection of objects: lists it in pages, then watches it from there, for ever.
//
// A watch that ends, is cut or falls silent is taken up again where it stopped. Where that cannot
// be (410: the server has forgotten; silence: perhaps it has forgotten more than it says, as after
// a restored backup), all is listed anew. Failures in a row wait longer and longer, with jitter,
// and never less than the server's Retry-After.
//
// Not thread-safe: all calls, and all calls of the target, are on the watch loop's thread.

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/kube/kube_request.h"
#include "agent/kube/watch_loop.h"

namespace nodekeep {

class Reflector {
 public:
  // Where the news goes.
  class Target {
   public:
    virtual ~Target() = default;
    // A list: it begins (one that was under way counts no more), brings its objects, is complete.
    virtual void OnListBegin() = 0;
    virtual void OnListed(Json object) = 0;
    virtual void OnListEnd() = 0;
    // One object has appeared or changed, or is gone (then its last state).
    virtual void OnChange(Json object, bool gone) = 0;
    // What keeps it from following, in words fit for a log; nothing once it follows again.
    virtual void OnTrouble(const std::optional<Error>& error) = 0;
  };

  Reflector(const WatchParts& parts, std::shared_ptr<WatchLoop::Bell> bell, KubeSelection selection,
            Target& target);
  // Takes the request in flight off the wire.
  ~Reflector();

  // Goes as far as it can without waiting. When to call again; sooner when the bell rings.
  SteadyTime MoveOn(SteadyTime now);

 private:
  class Inbox;
  enum class Step { kList, kWatch };

  void Send(SteadyTime now);
  void Read();
  void ReadPage(const HttpResponse& response, SteadyTime now);
  void ReadEvents(SteadyTime now);
  // False when the watch is over.
  bool ReadEvent(std::string_view line, SteadyTime now);
  void WatchEnded(const Result<HttpResponse>& result, SteadyTime now);
  void Relist();
  // After an exception: what was read may be known in part only.
  void StartOver(SteadyTime now);
  void TroubleOver();
  void Failed(const Error& error, SteadyTime now);

  const WatchParts& parts_;
  const std::shared_ptr<WatchLoop::Bell> bell_;
  const KubeSelection selection_;
  Target& target_;

  Step step_ = Step::kList;
  std::string continue_;          // of the next page; "" = the first
  std::string resource_version_;  // up to which everything is known
  SteadyTime due_;                // when to send the next request
  int failures_ = 0;              // in a row, of lists and watches; a list alone proves little
  bool in_trouble_ = false;

  // The request in flight, if any.
  std::shared_ptr<Inbox> inbox_;
  std::stop_source stop_;
  SteadyTime sent_;
  Step sent_step_ = Step::kList;
  SecretBytes received_;  // what came of it and is not read yet
  bool made_progress_ = false;
};

}  // namespace nodekeep
