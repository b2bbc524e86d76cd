#pragma once

// A temporary directory of one test, deleted with the object.

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace nodekeep {

// Whether `path`, with its links and ".." resolved, is below a TempDir: what a fake may delete.
inline bool IsInTempDir(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path all =
      std::filesystem::canonical(std::filesystem::temp_directory_path(), failed);
  if (failed || !std::filesystem::path(path).is_absolute()) return false;
  const std::filesystem::path resolved = std::filesystem::weakly_canonical(path, failed);
  const std::string prefix = (all / "nodekeep-test-").string();
  const std::size_t slash = resolved.string().find('/', prefix.size());
  return !failed && resolved.string().starts_with(prefix) && slash != std::string::npos &&
         slash + 1 < resolved.string().size();
}

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "nodekeep-test-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

  // Writes the file in place and creates missing parent directories.
  std::string Write(std::string_view name, std::string_view contents) const {
    const std::string path = *this / name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary | std::ios::trunc) << contents;
    return path;
  }
  // Replaces the file atomically, by a rename.
  std::string Replace(std::string_view name, std::string_view contents) const {
    const std::string fresh = Write(std::string(name) + ".new", contents);
    std::filesystem::rename(fresh, *this / name);
    return *this / name;
  }

 private:
  std::string path_;
};

}  // namespace nodekeep
