#include "agent/mount/parsed_class.h"

#include <map>
#include <utility>

namespace nodekeep {
namespace {

// Besides texts: a provider's options with their TLS settings, the nodes of the class itself.
constexpr std::size_t kOptionsOverhead = 4096;
// Parsed options keep a text and sometimes a part of it again.
constexpr std::size_t kOptionsPerByte = 2;

// What a string occupies on the heap, as glibc allocates it.
std::size_t HeapOf(const std::string& text) {
  return text.size() <= 15 ? 0 : (text.size() + 1 + 8 + 15) / 16 * 16;
}

}  // namespace

std::size_t BytesOf(const SpcInput& input) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : input.parameters) bytes += name.size() + value.size();
  return bytes;
}

std::size_t MemoryOf(const ParsedMount& mount, std::size_t parameters_bytes) {
  std::size_t bytes = sizeof(ParsedClass) + kOptionsOverhead + kOptionsPerByte * parameters_bytes;
  for (const Projection& projection : mount.projections) {
    bytes += sizeof(Projection) + sizeof(PlannedRead) + sizeof(std::size_t);
    for (const std::string* text :
         {&projection.object, &projection.ref.provider, &projection.ref.endpoint,
          &projection.ref.path, &projection.ref.version, &projection.ref.request, &projection.path,
          &projection.field, &projection.property, &projection.encoding, &projection.version_seed,
          &projection.read_error}) {
      bytes += HeapOf(*text);
    }
  }
  for (const std::string& text : mount.warnings.texts()) bytes += sizeof(text) + HeapOf(text);
  return bytes;
}

ParsedClassPtr MakeParsedClass(ParsedMount mount, std::size_t options_text,
                               SharedResource::Grant share) {
  auto parsed = std::make_shared<ParsedClass>();
  parsed->options_bytes = kOptionsOverhead + kOptionsPerByte * options_text;
  parsed->share = std::move(share);
  // A copy, because it has no spare capacity: it stays in memory as long as the class is mounted.
  parsed->mount = mount;
  std::vector<PlannedRead>& reads = parsed->reads;
  parsed->read_of.reserve(mount.projections.size());
  const auto by_value = [](const SecretRef* a, const SecretRef* b) { return *a < *b; };
  std::map<const SecretRef*, std::size_t, decltype(by_value)> index(by_value);
  for (const Projection& projection : parsed->mount.projections) {
    const auto [place, inserted] = index.try_emplace(&projection.ref, reads.size());
    if (inserted) reads.push_back({&projection.ref, false});
    reads[place->second].required |= !projection.optional;
    parsed->read_of.push_back(place->second);
  }
  reads.shrink_to_fit();
  return parsed;
}

}  // namespace nodekeep
