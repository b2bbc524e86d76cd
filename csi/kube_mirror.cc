#include "csi/kube_mirror.h"

#include <filesystem>
#include <optional>

#include "agent/base/read_file.h"
#include "agent/sink/mirror_secrets.h"
#include "csi/secrets_store_api.h"

namespace nodekeep {
namespace {

namespace fs = std::filesystem;

// How long to wait for the watch to report a pod that kubelet is already starting.
constexpr Duration kMaxWaitForPod = std::chrono::seconds(3);
constexpr Duration kPollInterval = std::chrono::milliseconds(50);

// Limit for all files of a volume together; a Secret holds at most 1 MiB.
constexpr std::size_t kMaxFilesBytes = 32u << 20;

// The volume's name in claims, the same after a restart: pod uid and volume name if the path has
// the form of kubelet's, else the path itself.
std::string ClaimName(const std::string& target_path) {
  const std::optional<TargetParts> parts = ReadTargetPath(target_path);
  return parts ? parts->pod_uid + "/" + parts->volume_name : target_path;
}

struct OwnFiles {
  std::vector<BundleFile> files;
  std::optional<Error> unreadable;  // the first file or directory that cannot be read
};

// Reads the files of a volume whose provider wrote them itself; what cannot be read is left out.
class OwnFilesReader {
 public:
  OwnFiles Read(const std::string& root) {
    // Iterates with `increment`: a range loop throws when the volume is removed meanwhile.
    std::error_code failed;
    for (fs::directory_iterator at(root, failed), end; !failed && at != end; at.increment(failed)) {
      const fs::path entry = at->path();
      const std::string name = entry.filename().string();
      if (name.starts_with("..")) continue;
      std::error_code unknown;
      if (fs::is_directory(entry, unknown)) {
        AddDirectory(entry, name);
      } else {
        Add(entry, name);
      }
    }
    Note(failed, root);
    return std::move(own_);
  }

 private:
  void AddDirectory(const fs::path& directory, const std::string& name) {
    std::error_code failed;
    for (fs::recursive_directory_iterator at(directory, failed), end; !failed && at != end;
         at.increment(failed)) {
      std::error_code unknown;
      const bool is_file = at->is_regular_file(unknown);
      Note(unknown, at->path());
      if (is_file) Add(at->path(), name + "/" + at->path().lexically_relative(directory).string());
    }
    Note(failed, directory);
  }

  void Add(const std::string& path, const std::string& relative) {
    Result<SecretBytes> contents = ReadFile(path, left_);
    if (contents.ok()) {
      left_ -= contents->size();
      own_.files.push_back({relative, 0644, *std::move(contents)});
    } else if (contents.error().code() == ErrorCode::kTooLarge) {
      Note(Error::Format(ErrorCode::kTooLarge,
                         "read {}: the files of the volume are more than {} bytes together", path,
                         kMaxFilesBytes));
    } else {
      Note(contents.error());
    }
  }

  void Note(const std::error_code& failed, const std::string& path) {
    if (failed) Note(Error::Format(ErrorCode::kInternal, "read {}: {}", path, failed.message()));
  }
  void Note(Error error) {
    if (!own_.unreadable) own_.unreadable = std::move(error);
  }

  OwnFiles own_;
  std::size_t left_ = kMaxFilesBytes;
};

bool WantsSecrets(const SecretProviderClass& spc) {
  return spc.secret_objects.is_array() && !spc.secret_objects.empty();
}

}  // namespace

KubeMirror::KubeMirror(Options options, KubeClient& client, PodSource& pods, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      pods_(pods),
      statuses_(client, options_.node_name),
      secrets_(client, clock, {.node_name = options_.node_name, .recheck = options_.recheck}) {}

Status KubeMirror::Converge(const Context& caller, const Volume& volume,
                            const SecretProviderClass& spc, const VolumeContent& content) {
  const Context context = caller.WithDeadline(clock_.Now() + options_.budget);
  const std::optional<TargetParts> parts = ReadTargetPath(volume.target_path);
  Result<OwnerReference> status =
      statuses_.Write(context, {.namespace_name = volume.namespace_name,
                                .pod = volume.pod,
                                .pod_uid = volume.pod_uid,
                                .class_name = volume.class_name,
                                .volume = parts ? parts->volume_name : "volume",
                                .target_path = volume.target_path,
                                .objects = content.bundle.versions});
  if (!WantsSecrets(spc)) return status.ok() ? Status() : Status(status.error());

  Result<std::vector<OwnerReference>> owners = OwnersOfPod(context, volume);
  if (!owners.ok()) return owners.error().Prepend("find the owners of pod {}", volume.Text());
  if (owners->empty()) {
    if (!status.ok()) return status.error();
    owners->push_back(*status);
  }
  const SecretClaim claim = ClaimOf(volume, spc, *std::move(owners));
  OwnFiles own;
  if (content.untouched) own = OwnFilesReader().Read(volume.target_path);
  std::vector<Error> errors;
  if (own.unreadable) errors.push_back(*std::move(own.unreadable));
  const MirrorOutcome written = MirrorSecrets(context, secrets_, spc.secret_objects,
                                              content.untouched ? own.files : content.bundle.files,
                                              content.bundle.absent, claim);
  errors.insert(errors.end(), written.errors.begin(), written.errors.end());
  if (!status.ok()) errors.push_back(status.error());
  if (errors.empty()) return {};
  std::string all;
  for (const Error& error : errors) all += (all.empty() ? "" : "; ") + error.message();
  return Error(errors.front().code(), std::move(all));
}

void KubeMirror::Recover(const Volume& volume, const SecretProviderClass& spc) {
  if (!WantsSecrets(spc)) return;
  Result<std::vector<OwnerReference>> owners =
      OwnersOfPod(Context().WithDeadline(clock_.Now() + options_.budget), volume);
  ClaimSecrets(
      secrets_, spc.secret_objects,
      ClaimOf(volume, spc, owners.ok() ? *std::move(owners) : std::vector<OwnerReference>()));
}

void KubeMirror::Forget(const std::string& target_path) {
  statuses_.Forget(target_path);
  secrets_.Release(ClaimName(target_path));
}

std::vector<Error> KubeMirror::FinalSweep(const Context& context) {
  secrets_.EndLinger();
  return Sweep(context);
}

Result<std::vector<OwnerReference>> KubeMirror::OwnersOfPod(const Context& context,
                                                            const Volume& volume) {
  const SteadyTime give_up = clock_.Now() + kMaxWaitForPod;
  do {
    Result<std::shared_ptr<const PodsByUid>> pods = pods_.OnNode(context);
    if (!pods.ok()) return pods.error();
    auto found = (*pods)->find(volume.pod_uid);
    if (found != (*pods)->end()) return found->second.owners;
  } while (Sleep(context.WithDeadline(give_up), clock_, kPollInterval).ok());
  return Error::Format(ErrorCode::kNotFound, "the API server has no pod with uid {} on this node",
                       volume.pod_uid);
}

SecretClaim KubeMirror::ClaimOf(const Volume& volume, const SecretProviderClass& spc,
                                std::vector<OwnerReference> owners) const {
  return {.volume = ClaimName(volume.target_path),
          .namespace_name = volume.namespace_name,
          .owners = std::move(owners),
          .secret_class = {kSecretProviderClassResource.ApiVersion(), "SecretProviderClass",
                           spc.name, spc.uid}};
}

}  // namespace nodekeep
