#pragma once

// A temporary directory of one test, deleted with the object.

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace nodekeep {

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
