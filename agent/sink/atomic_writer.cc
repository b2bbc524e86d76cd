#include "agent/sink/atomic_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <set>

#include "agent/base/digest.h"
#include "agent/base/volume_path.h"
#include "agent/sink/directory.h"

namespace nodekeep {
namespace {

constexpr char kData[] = "..data";
constexpr char kDataTmp[] = "..data_tmp";
constexpr char kLinkTmp[] = "..link_tmp";

std::string FirstElement(std::string_view path) {
  return std::string(path.substr(0, path.find('/')));
}

// A link with a shorter target takes no page (the kernel's mm/shmem.c, SHORT_SYMLINK_LEN).
constexpr std::size_t kShortLink = 128 - 1;

std::string TargetOf(std::string_view name) { return fmt::format("{}/{}", kData, name); }

// "..2026_01_31_12_00_00.123456"
bool IsSetName(std::string_view name) {
  constexpr std::string_view kShape = "..dddd_dd_dd_dd_dd_dd.";
  if (name.size() <= kShape.size()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char want = i < kShape.size() ? kShape[i] : 'd';
    const bool is_digit = name[i] >= '0' && name[i] <= '9';
    if (want == 'd' ? !is_digit : name[i] != want) return false;
  }
  return true;
}

std::string NewSetName(const Clock& clock) {
  const std::time_t now = std::chrono::system_clock::to_time_t(clock.Wall());
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::uint32_t random = 0;
  std::memcpy(&random, RandomBytes(sizeof(random)).Reveal().data(), sizeof(random));
  return fmt::format("..{:04}_{:02}_{:02}_{:02}_{:02}_{:02}.{}", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, random);
}

Status CheckFiles(const std::vector<BundleFile>& files) {
  std::set<std::string_view> paths;
  for (const BundleFile& file : files) {
    if (Status valid = CheckVolumePath(file.path); !valid.ok()) return valid;
    if (!paths.insert(file.path).second) {
      return Error::Format(ErrorCode::kInvalid, "two files have the path \"{}\": rename one",
                           file.path);
    }
  }
  for (std::string_view path : paths) {
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
         slash = path.find('/', slash + 1)) {
      const std::string_view parent = path.substr(0, slash);
      if (!paths.contains(parent)) continue;
      return Error::Format(ErrorCode::kInvalid,
                           "\"{}\" is a file and cannot hold the file \"{}\": rename one", parent,
                           path);
    }
  }
  return {};
}

// One Write into one open directory.
class SetWrite {
 public:
  SetWrite(const Directory& volume, const std::vector<BundleFile>& files, const Clock& clock,
           const AtomicWriter::Options& options)
      : volume_(volume), files_(files), clock_(clock), options_(options) {
    for (const BundleFile& file : files) names_.insert(FirstElement(file.path));
  }

  Result<WriteOutcome> Run() {
    if (Status compared = CompareWithOldSet(); !compared.ok()) return Abandon(compared.error());
    if (outcome_.changed) {
      if (options_.reserve) {
        Status reserved = options_.reserve(TmpfsSizeOf(files_));
        if (!reserved.ok()) return Abandon(reserved.error());
      }
      if (Status written = WriteNewSet(); !written.ok()) return Abandon(written.error());
    }
    if (Status linked = LinkNewNames(); !linked.ok()) return Abandon(linked.error());
    if (outcome_.changed) {
      if (Status swapped = Swap(); !swapped.ok()) return Abandon(swapped.error());
    }
    if (Status linked = LinkTakenNames(); !linked.ok()) {
      return WithSuffix(linked.error(), "the new set is in place, but not visible under this name");
    }
    CleanUp();
    return std::move(outcome_);
  }

 private:
  FileAttributes AttributesOf(const BundleFile& file) const {
    return {file.mode, options_.uid, options_.gid};
  }

  static Error WithSuffix(const Error& error, std::string_view suffix) {
    return Error::Format(error.code(), "{}: {}", error.message(), suffix);
  }

  // Undoes what this Write did so far; the next Write removes what cannot be undone.
  Error Abandon(const Error& error) {
    for (const std::string& name : linked_) (void)volume_.Remove(name);
    if (!new_set_.empty()) (void)volume_.Remove(new_set_);
    (void)volume_.Remove(kDataTmp);
    return WithSuffix(
        error, old_set_.empty() ? "the directory has no visible files yet" : "the old set stays");
  }

  // Compares the set in the directory with the wanted one; fills in the outcome.
  Status CompareWithOldSet() {
    std::optional<std::string> target = volume_.ReadLink(kData);
    if (target && IsSetName(*target)) {
      Result<Directory> old_set = volume_.OpenBeneath(*target);
      if (old_set.ok()) {
        old_set_ = *std::move(target);
        Result<std::vector<std::string>> old_files = old_set->ListFiles();
        if (!old_files.ok()) return old_files.error();
        Sort(*old_set, *old_files);
        return {};
      }
    }
    for (const BundleFile& file : files_) outcome_.added.push_back(file.path);
    outcome_.changed = true;
    return {};
  }

  void Sort(const Directory& old_set, const std::vector<std::string>& old_files) {
    std::set<std::string_view> wanted;
    for (const BundleFile& file : files_) {
      wanted.insert(file.path);
      if (!std::binary_search(old_files.begin(), old_files.end(), file.path)) {
        outcome_.added.push_back(file.path);
      } else if (!old_set.Holds(file.path, file.contents, AttributesOf(file))) {
        outcome_.updated.push_back(file.path);
      }
    }
    for (const std::string& path : old_files) {
      if (!wanted.contains(path)) outcome_.removed.push_back(path);
    }
    outcome_.changed =
        !outcome_.added.empty() || !outcome_.updated.empty() || !outcome_.removed.empty();
  }

  Status WriteNewSet() {
    for (bool made = false; !made;) {
      std::string name = NewSetName(clock_);
      Result<bool> fresh = volume_.Make(name);
      if (!fresh.ok()) return fresh.error();
      made = *fresh;
      if (made) new_set_ = std::move(name);
    }
    Result<Directory> set = volume_.OpenBeneath(new_set_);
    if (!set.ok()) return set.error();
    for (const BundleFile& file : files_) {
      if (Status written = set->Write(file.path, file.contents, AttributesOf(file));
          !written.ok()) {
        return written;
      }
    }
    return {};
  }

  // Links for unused names are created before the swap, so that they resolve to a file right after
  // it.
  Status LinkNewNames() {
    Result<std::vector<Directory::Entry>> entries = volume_.List();
    if (!entries.ok()) return entries.error();
    std::set<std::string_view> taken;
    for (const Directory::Entry& entry : *entries) taken.insert(entry.name);
    for (const std::string& name : names_) {
      if (taken.contains(name)) continue;
      if (Status linked = volume_.Link(name, TargetOf(name)); !linked.ok()) return linked;
      linked_.push_back(name);
    }
    return {};
  }

  Status Swap() { return PutLink(kDataTmp, kData, new_set_); }

  // Names used by something else (a plain file of a provider that wrote into the volume itself, a
  // link to another target) are replaced after the swap, when the new link resolves.
  Status LinkTakenNames() {
    for (const std::string& name : names_) {
      if (volume_.ReadLink(name) == TargetOf(name)) continue;
      if (Status put = PutLink(kLinkTmp, name, TargetOf(name)); !put.ok()) return put;
    }
    return {};
  }

  Status PutLink(const std::string& temporary, const std::string& name, const std::string& target) {
    if (Status removed = volume_.Remove(temporary); !removed.ok()) return removed;
    if (Status linked = volume_.Link(temporary, target); !linked.ok()) return linked;
    return volume_.ReplaceWithLink(temporary, name);
  }

  // Removes links to removed files, unused sets, and temporary names, of this Write and of one that
  // was killed.
  void CleanUp() {
    Result<std::vector<Directory::Entry>> entries = volume_.List();
    if (!entries.ok()) {
      outcome_.leftovers.push_back(entries.error().message());
      return;
    }
    const std::string& current = outcome_.changed ? new_set_ : old_set_;
    for (const auto& [name, kind] : *entries) {
      const bool is_set = kind == Directory::Kind::kDirectory && IsSetName(name);
      const bool is_link =
          kind == Directory::Kind::kLink && volume_.ReadLink(name) == TargetOf(name);
      const bool remove = (is_set && name != current) || (is_link && !names_.contains(name)) ||
                          name == kDataTmp || name == kLinkTmp;
      if (!remove) continue;
      if (Status removed = volume_.Remove(name); !removed.ok()) {
        outcome_.leftovers.push_back(removed.error().message());
      }
    }
  }

  const Directory& volume_;
  const std::vector<BundleFile>& files_;
  const Clock& clock_;
  const AtomicWriter::Options& options_;

  std::set<std::string> names_;      // first elements of the new set's paths
  std::string old_set_;              // "" = none
  std::string new_set_;              // "" = not created yet
  std::vector<std::string> linked_;  // links made by this Write
  WriteOutcome outcome_;
};

}  // namespace

std::size_t TmpfsSizeOf(const std::vector<BundleFile>& files) {
  static const auto kPage = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::size_t bytes = 0;
  // The files, the set's directory, the two links to it, a temporary link.
  std::size_t inodes = files.size() + 4;
  std::vector<std::string_view> paths;
  for (const BundleFile& file : files) {
    bytes += (file.contents.size() + kPage - 1) / kPage * kPage;
    paths.push_back(file.path);
  }
  // Sorted, a path shares its directories with the one before it or with none.
  std::sort(paths.begin(), paths.end());
  std::string_view before;
  for (const std::string_view path : paths) {
    const auto differ = std::mismatch(path.begin(), path.end(), before.begin(), before.end());
    const auto new_directories = std::count(differ.first, path.end(), '/');
    const bool new_link = std::find(path.begin(), differ.first, '/') == differ.first;
    inodes += static_cast<std::size_t>(new_directories) + (new_link ? 1 : 0);
    if (new_link && TargetOf(path.substr(0, path.find('/'))).size() >= kShortLink) bytes += kPage;
    before = path;
  }
  return bytes + inodes * kTmpfsInodeBytes;
}

AtomicWriter::AtomicWriter(std::string directory, const Clock& clock, Options options)
    : path_(std::move(directory)), clock_(clock), options_(std::move(options)) {}

AtomicWriter::AtomicWriter(Directory directory, const Clock& clock, Options options)
    : directory_(std::move(directory)), clock_(clock), options_(std::move(options)) {}

Result<WriteOutcome> AtomicWriter::Write(const std::vector<BundleFile>& files) const {
  if (Status valid = CheckFiles(files); !valid.ok()) return valid.error();
  if (directory_) return SetWrite(*directory_, files, clock_, options_).Run();
  Result<Directory> volume = Directory::Open(path_);
  if (!volume.ok()) return volume.error();
  return SetWrite(*volume, files, clock_, options_).Run();
}

}  // namespace nodekeep
