#include "agent/http/permitted_path.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <filesystem>
#include <string>

#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  return address;
}

Descriptor Listen(const std::string& path) {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
  const sockaddr_un address = AddressOf(path);
  REQUIRE(bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  REQUIRE(listen(socket.number(), 1) == 0);
  return socket;
}

}  // namespace

TEST_CASE("permitted path: what is used is what was checked, whatever becomes of the path") {
  TempDir files;
  const Descriptor allowed = Listen(files / "allowed");
  const Descriptor other = Listen(files / "other");
  std::filesystem::create_symlink(files / "allowed", files / "link");
  Result<Descriptor> opened = OpenPermitted(files / "link", PathKind::kSocket);
  REQUIRE(opened.ok());
  std::filesystem::remove(files / "link");
  std::filesystem::create_symlink(files / "other", files / "link");

  const Descriptor client(::socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un address = AddressOf(opened->Path());
  REQUIRE(connect(client.number(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
          0);
  CHECK(Descriptor(accept(other.number(), nullptr, nullptr)).number() < 0);
  CHECK(Descriptor(accept(allowed.number(), nullptr, nullptr)).number() >= 0);
}

TEST_CASE("permitted path: the kind is checked, but not where the place is refused") {
  TempDir files;
  const std::string file = files.Write("file", "");
  const std::string in_pod = files.Write("pods/u1/volumes/kubernetes.io~secret/v/file", "");
  const Descriptor socket = Listen(files / "socket");
  struct Row {
    std::string name, path;
    PathKind kind;
    std::string want;  // "" = it is opened
  };
  const Row rows[] = {
      {"file", file, PathKind::kFile, ""},
      {"directory", files.path(), PathKind::kDirectory, ""},
      {"socket", files / "socket", PathKind::kSocket, ""},
      {"socket as file", files / "socket", PathKind::kFile, "not a regular file"},
      {"file as socket", file, PathKind::kSocket, "not a socket"},
      {"file as directory", file, PathKind::kDirectory, "not a directory"},
      {"none", files / "none", PathKind::kFile, "No such file or directory"},
      {"file of a pod as socket", in_pod, PathKind::kSocket,
       "it is in a volume of a pod, which is for that pod only; mount the file into the agent"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Result<Descriptor> opened = OpenPermitted(row.path, row.kind);
    CHECK((opened.ok() ? "" : opened.error().message()) == row.want);
  }
}

}  // namespace nodekeep
