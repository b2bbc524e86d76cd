#include "agent/mount/parsed_class.h"

#include <map>

namespace nodekeep {

ParsedClassPtr MakeParsedClass(ParsedMount mount) {
  auto parsed = std::make_shared<ParsedClass>();
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
