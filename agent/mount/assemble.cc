#include "agent/mount/assemble.h"

#include <utility>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

constexpr std::size_t kCopies = 2;
// A share is taken in steps of this size, because all mounts of the node take it under one lock.
constexpr std::size_t kStep = std::size_t{64} << 10;

std::string VersionOf(const Projection& projection, const SecretBytes& contents,
                      const SecretBytes& version_key) {
  // The NUL separates the seed from the contents.
  const SecretBytes code = HmacSha256(
      version_key, {projection.version_seed, std::string_view("\0", 1), contents.Reveal()});
  return Base64UrlEncode(code.Reveal());
}

Error OfMount(const ParsedMount& mount, const Error& error) {
  return mount.mount_error.empty() ? error : error.Prepend("{}", mount.mount_error);
}

Error TooMuch(std::size_t total, std::size_t most, const std::string& object) {
  return Error::Format(
      ErrorCode::kTooLarge,
      "the files have {} bytes with object \"{}\", and a volume may have {}; split "
      "them over several SecretProviderClasses",
      total, Excerpt(object), most);
}

Error NoShare(const std::string& namespace_name) {
  return Error::Format(
      ErrorCode::kThrottled,
      "namespace \"{}\" uses its share of this node's memory for secrets that are being "
      "delivered; it is tried again",
      namespace_name);
}

}  // namespace

Result<Bundle> AssembleBundle(const MountPlan& plan, Answers answers,
                              const SecretBytes& version_key, const BundleLimits& limits) {
  const ParsedMount& mount = plan.parsed->mount;
  const std::string& namespace_name = plan.read->identity.namespace_name;
  Bundle bundle;
  if (limits.memory != nullptr) bundle.memory = limits.memory->TakeExisting(namespace_name, 0);
  std::size_t total = 0;
  const auto value_of = [&](std::size_t i) -> const Result<SharedSecret>& {
    return answers.values[plan.parsed->read_of[i]];
  };
  for (std::size_t i = 0; i < mount.projections.size(); ++i) {
    const Result<SharedSecret>& value = value_of(i);
    if (value.ok()) continue;
    const std::string& step = mount.projections[i].read_error;
    return OfMount(mount, step.empty() ? value.error() : value.error().Prepend("{}", step));
  }
  for (std::size_t i = 0; i < mount.projections.size(); ++i) {
    const Projection& projection = mount.projections[i];
    const SharedSecret& value = *value_of(i);
    if (value == nullptr) {
      bundle.absent.push_back(projection.path);
      continue;
    }
    Result<std::vector<RenderedFile>> files = plan.dialect->RenderFiles(projection, *value);
    if (!files.ok()) {
      if (projection.optional && files.error().code() == ErrorCode::kNotFound) {
        bundle.absent.push_back(projection.path);
        continue;
      }
      return OfMount(mount, files.error());
    }
    // An item that cannot be read is left out of an optional folder.
    if (projection.optional && projection.is_folder) bundle.absent.push_back(projection.path);
    for (const RenderedFile& file : *files) total += file.contents.size();
    if (total > limits.max_bytes) {
      return OfMount(mount, TooMuch(total, limits.max_bytes, projection.object));
    }
    const std::size_t steps = (kCopies * total + kStep - 1) / kStep;
    if (limits.memory != nullptr && steps * kStep > bundle.memory.amount() &&
        !bundle.memory.Resize(steps * kStep)) {
      return OfMount(mount, NoShare(namespace_name));
    }
    for (RenderedFile& file : *files) {
      if (file.version.empty()) file.version = VersionOf(projection, file.contents, version_key);
      const std::string& id = file.object.empty() ? projection.object : file.object;
      bundle.versions.push_back({id, std::move(file.version)});
      bundle.files.push_back({std::move(file.path), projection.mode, std::move(file.contents)});
    }
  }
  if (bundle.versions.empty()) bundle.versions.push_back({"nodekeep/no-objects", "0"});
  bundle.report = std::move(answers.report);
  return bundle;
}

}  // namespace nodekeep
