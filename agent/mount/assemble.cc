#include "agent/mount/assemble.h"

#include <utility>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"

namespace nodekeep {
namespace {

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

}  // namespace

Result<Bundle> AssembleBundle(const MountPlan& plan, Answers answers,
                              const SecretBytes& version_key) {
  const ParsedMount& mount = plan.parsed->mount;
  Bundle bundle;
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
    if (value == nullptr) continue;
    Result<std::vector<RenderedFile>> files = plan.dialect->RenderFiles(projection, *value);
    if (!files.ok()) {
      if (projection.optional && files.error().code() == ErrorCode::kNotFound) continue;
      return OfMount(mount, files.error());
    }
    for (RenderedFile& file : *files) {
      if (file.version.empty()) file.version = VersionOf(projection, file.contents, version_key);
      bundle.versions.push_back({file.object.empty() ? projection.object : std::move(file.object),
                                 std::move(file.version)});
      bundle.files.push_back({std::move(file.path), projection.mode, std::move(file.contents)});
    }
  }
  if (bundle.versions.empty()) bundle.versions.push_back({"nodekeep/no-objects", "0"});
  bundle.report = std::move(answers.report);
  return bundle;
}

}  // namespace nodekeep
