#include "agent/template/function.h"
#include "agent/template/semver.h"

namespace nodekeep::go {
namespace {

using Arguments = std::span<const Value>;

const Version& VersionIn(const Value& value) {
  return static_cast<const Version&>(*value.object());
}

Value ValueOf(Version version) {
  return Value::Of(Type::kVersion, std::make_shared<const Version>(std::move(version)));
}

// Expressions take some times the memory of their text.
Status Pay(Call& call, Arguments in) {
  std::size_t size = 0;
  for (const Value& value : in) size += value.kind() == Kind::kString ? value.text().size() : 0;
  if (Status step = call.Step(size / 16); !step.ok()) return step;
  return call.Charge(8 * size);
}

Result<Value> Semver(Call& call, Arguments in) {
  if (Status charged = Pay(call, in); !charged.ok()) return charged.error();
  Result<Version> version = ParseVersion(in[0].text());
  if (!version.ok()) return version.error();
  return ValueOf(*std::move(version));
}

Result<Value> SemverCompare(Call& call, Arguments in) {
  if (Status charged = Pay(call, in); !charged.ok()) return charged.error();
  // The constraint is read first, so its error comes first.
  const Result<bool> is_readable = SatisfiesConstraint(Version(), in[0].text());
  if (!is_readable.ok()) return is_readable.error();
  const Result<Version> version = ParseVersion(in[1].text());
  if (!version.ok()) return version.error();
  const Result<bool> satisfied = SatisfiesConstraint(*version, in[0].text());
  if (!satisfied.ok()) return satisfied.error();
  return Value::Bool(*satisfied);
}

template <auto kField>
Result<Value> NumberField(Call&, Arguments in) {
  return Value::Unsigned(Type::kUint64, VersionIn(in[0]).*kField);
}
template <auto kField>
Result<Value> TextField(Call&, Arguments in) {
  return Value::Text(VersionIn(in[0]).*kField);
}
Result<Value> Text(Call&, Arguments in) { return Value::Text(VersionIn(in[0]).Text()); }

Result<Value> Compare(Call&, Arguments in) {
  return Value::Int(CompareVersions(VersionIn(in[0]), VersionIn(in[1])));
}
// `kLow` to `kHigh`: the wanted results of the comparison.
template <int kLow, int kHigh>
Result<Value> Compares(Call&, Arguments in) {
  const int result = CompareVersions(VersionIn(in[0]), VersionIn(in[1]));
  return Value::Bool(result >= kLow && result <= kHigh);
}

Value Derived(const Version& from, Version version) {
  version.original = (from.original.starts_with('v') ? "v" : "") + version.Text();
  return ValueOf(std::move(version));
}

Version Cleared(const Version& version) {
  Version next = version;
  next.prerelease.clear();
  next.metadata.clear();
  return next;
}

Result<Value> IncMajor(Call&, Arguments in) {
  Version next = Cleared(VersionIn(in[0]));
  ++next.major;
  next.minor = 0;
  next.patch = 0;
  return Derived(VersionIn(in[0]), std::move(next));
}
Result<Value> IncMinor(Call&, Arguments in) {
  Version next = Cleared(VersionIn(in[0]));
  ++next.minor;
  next.patch = 0;
  return Derived(VersionIn(in[0]), std::move(next));
}
Result<Value> IncPatch(Call&, Arguments in) {
  Version next = Cleared(VersionIn(in[0]));
  if (VersionIn(in[0]).prerelease.empty()) ++next.patch;
  return Derived(VersionIn(in[0]), std::move(next));
}

Result<Value> SetPrerelease(Call&, Arguments in) {
  Version next = VersionIn(in[0]);
  next.prerelease = in[1].text();
  if (!next.prerelease.empty()) {
    const Status valid = ValidatePrerelease(next.prerelease);
    if (!valid.ok()) return valid.error();
  }
  return Derived(VersionIn(in[0]), std::move(next));
}

}  // namespace

std::span<const Function> VersionFunctions() {
  static const Function functions[] = {
      {"semver", "version string", &Semver,
       "A semantic version with Major, Minor, Patch, Prerelease and Metadata.",
       R"({{ (semver "v1.2.3-beta").Minor }})"},
      {"semverCompare", "constraint string, version string", &SemverCompare,
       "Whether the version satisfies the constraint.",
       R"({{ semverCompare "^1.2, != 1.3.0" "1.4.5" }})"},
  };
  return functions;
}

std::span<const Method> VersionMethods() {
  static const Method methods[] = {
      {Type::kVersion, {"Major", "", &NumberField<&Version::major>, ""}},
      {Type::kVersion, {"Minor", "", &NumberField<&Version::minor>, ""}},
      {Type::kVersion, {"Patch", "", &NumberField<&Version::patch>, ""}},
      {Type::kVersion, {"Prerelease", "", &TextField<&Version::prerelease>, ""}},
      {Type::kVersion, {"Metadata", "", &TextField<&Version::metadata>, ""}},
      {Type::kVersion, {"Original", "", &TextField<&Version::original>, ""}},
      {Type::kVersion, {"String", "", &Text, ""}},
      {Type::kVersion, {"Compare", "o *semver.Version", &Compare, ""}},
      {Type::kVersion, {"Equal", "o *semver.Version", &Compares<0, 0>, ""}},
      {Type::kVersion, {"LessThan", "o *semver.Version", &Compares<-1, -1>, ""}},
      {Type::kVersion, {"LessThanEqual", "o *semver.Version", &Compares<-1, 0>, ""}},
      {Type::kVersion, {"GreaterThan", "o *semver.Version", &Compares<1, 1>, ""}},
      {Type::kVersion, {"GreaterThanEqual", "o *semver.Version", &Compares<0, 1>, ""}},
      {Type::kVersion, {"IncMajor", "", &IncMajor, ""}},
      {Type::kVersion, {"IncMinor", "", &IncMinor, ""}},
      {Type::kVersion, {"IncPatch", "", &IncPatch, ""}},
      {Type::kVersion, {"SetPrerelease", "prerelease string", &SetPrerelease, ""}},
  };
  return methods;
}

std::optional<std::string> VersionText(const Value& value) {
  if (value.type() != Type::kVersion) return std::nullopt;
  return VersionIn(value).Text();
}

}  // namespace nodekeep::go
