#include "agent/mount/parsed_class.h"

#include <map>

namespace nodekeep {

ParsedClassPtr MakeParsedClass(ParsedMount mount) {
  auto parsed = std::make_shared<ParsedClass>();
  auto reads = std::make_shared<std::vector<PlannedRead>>();
  reads->reserve(mount.projections.size());
  parsed->read_of.reserve(mount.projections.size());
  std::map<SecretRef, std::size_t> index;
  for (const Projection& projection : mount.projections) {
    const auto [place, inserted] = index.try_emplace(projection.ref, reads->size());
    if (inserted) reads->push_back({projection.ref, false});
    (*reads)[place->second].required |= !projection.optional;
    parsed->read_of.push_back(place->second);
  }
  // A copy has no spare capacity, and this stays in memory for as long as the class is mounted.
  parsed->mount = mount;
  parsed->reads = std::move(reads);
  return parsed;
}

}  // namespace nodekeep
