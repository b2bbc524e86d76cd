#include "csi/registration.h"

#include <sys/stat.h>

#include <algorithm>

#include "agent/base/context.h"
#include "agent/base/mutex.h"
#include "agent/base/on_exit.h"
#include "agent/rpc/local_server.h"
#include "agent/rpc/status.h"
#include "proto/pluginregistration.grpc.pb.h"

namespace nodekeep {
namespace {

ino_t InodeOf(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

}  // namespace

class Registration::Service final : public pluginregistration::Registration::CallbackService {
 public:
  explicit Service(nodekeep::Registration& owner) : owner_(owner) {}

  grpc::ServerUnaryReactor* GetInfo(grpc::CallbackServerContext* context,
                                    const pluginregistration::InfoRequest* request,
                                    pluginregistration::PluginInfo* response) override {
    response->set_type("CSIPlugin");
    response->set_name(owner_.options_.driver_name);
    response->set_endpoint(owner_.options_.endpoint);
    response->add_supported_versions("1.0.0");
    return FinishNow(context, grpc::Status::OK);
  }

  grpc::ServerUnaryReactor* NotifyRegistrationStatus(
      grpc::CallbackServerContext*, const pluginregistration::RegistrationStatus* request,
      pluginregistration::RegistrationStatusResponse*) override {
    return new StatusReactor(
        owner_, request->plugin_registered()
                    ? Status()
                    : Error::Format(ErrorCode::kConflict, "kubelet refuses driver \"{}\": {}",
                                    owner_.options_.driver_name, request->error()));
  }

 private:
  // Applies kubelet's answer once our reply has been sent, because a refusal closes the connection.
  class StatusReactor final : public grpc::ServerUnaryReactor {
   public:
    StatusReactor(nodekeep::Registration& owner, Status status)
        : owner_(owner), status_(std::move(status)) {
      Finish(grpc::Status::OK);
    }

   private:
    void OnDone() override {
      {
        MutexLock lock(owner_.mutex_);
        owner_.answer_ = std::move(status_);
        owner_.changed_.notify_all();
      }
      delete this;
    }

    nodekeep::Registration& owner_;
    Status status_;
  };

  nodekeep::Registration& owner_;
};

Registration::Registration(Options options, const Clock& clock, Logger& log)
    : options_(std::move(options)), clock_(clock), log_(log), thread_([this](std::stop_token stop) {
        RunGuarded("registration", stop, clock_, options_.on_exception, [&] { Run(stop); });
      }) {}

Registration::~Registration() = default;

Status Registration::state() const {
  MutexLock lock(mutex_);
  return state_;
}

void Registration::SetState(Status state) {
  MutexLock lock(mutex_);
  state_ = std::move(state);
}

void Registration::Run(std::stop_token stop) {
  Duration pause = options_.first_pause;
  while (!stop.stop_requested()) {
    if (ServeOnce(stop)) pause = options_.first_pause;
    if (!Sleep(Context(SteadyTime::max(), stop), clock_, pause).ok()) return;
    pause = std::min(pause * 2, options_.longest_pause);
  }
}

bool Registration::ServeOnce(std::stop_token stop) {
  {
    // Kubelet's answer about the previous socket does not apply to this one.
    MutexLock lock(mutex_);
    answer_.reset();
  }
  // An exception removes the socket, on which kubelet unregisters the driver.
  const OnThrow not_registered([this] {
    SetState(Error(ErrorCode::kInternal, "the registration ended by an unexpected exception"));
  });
  Service service(*this);
  // unverified: a kubelet that keeps a connection may take its end for the end of the driver; that
  // of v1.34 keeps none (docs/protocol/kubernetes.md, "Plugin registration").
  auto server = LocalServer::Start(
      {&service}, {.close_idle = false, .on_exception = options_.on_exception}, log_);
  const Status listening =
      server.ok() ? (*server)->Listen(options_.socket_path) : Status(server.error());
  if (!listening.ok()) {
    log_.Warn("cannot offer the driver to kubelet", {{"error", listening.error().message()}});
    SetState(listening);
    return false;
  }
  log_.Info("offering the driver to kubelet",
            {{"driver", options_.driver_name}, {"socket", options_.socket_path}});
  const ino_t inode = InodeOf(options_.socket_path);
  bool registered = false;
  while (!stop.stop_requested()) {
    std::optional<Status> answer;
    {
      MutexLock lock(mutex_);
      clock_.WaitUntil(lock, changed_, stop, clock_.Now() + options_.check_every, [this] {
        mutex_.AssertHeld();
        return answer_.has_value();
      });
      answer.swap(answer_);
      if (answer) state_ = *answer;
    }
    if (answer && answer->ok()) {
      registered = true;
      log_.Info("registered with kubelet", {{"driver", options_.driver_name}});
      if (options_.on_registered) options_.on_registered();
    } else if (answer) {
      log_.Warn("kubelet refused the driver; retrying after a pause",
                {{"error", answer->error().message()}});
      return registered;
    }
    if (InodeOf(options_.socket_path) != inode) {
      log_.Warn("the registration socket was removed; creating it again",
                {{"socket", options_.socket_path}});
      SetState(Error(ErrorCode::kPrecondition, "the registration socket was removed"));
      return registered;
    }
  }
  return registered;
}

}  // namespace nodekeep
