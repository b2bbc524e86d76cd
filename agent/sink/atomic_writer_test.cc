#include "agent/sink/atomic_writer.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

namespace fs = std::filesystem;

struct FileText {
  std::string path;
  std::string text;
  std::uint32_t mode = 0644;
};

std::vector<BundleFile> Files(const std::vector<FileText>& texts) {
  std::vector<BundleFile> files;
  for (const FileText& text : texts) {
    files.push_back({text.path, text.mode, SecretBytes(text.text)});
  }
  return files;
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The files as a pod sees them: path -> contents, through the links. Ignores dangling links.
using View = std::map<std::string, std::string>;

View Look(const std::string& directory) {
  View view;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("..") || !fs::exists(entry.path())) continue;
    if (!fs::is_directory(entry.path())) {
      view[name] = ReadText(entry.path());
      continue;
    }
    for (const auto& inner : fs::recursive_directory_iterator(entry.path())) {
      if (!inner.is_directory()) {
        view[name + "/" + fs::relative(inner.path(), entry.path()).string()] =
            ReadText(inner.path());
      }
    }
  }
  return view;
}

View ViewOf(const std::vector<FileText>& texts) {
  View view;
  for (const FileText& text : texts) view[text.path] = text.text;
  return view;
}

// The names in the volume, the dated set as "..set".
std::vector<std::string> Names(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    names.push_back(name.starts_with("..20") ? "..set" : name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::uint32_t ModeOf(const std::string& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

using Strings = std::vector<std::string>;

const FakeClock& TheClock() {
  static const FakeClock clock;
  return clock;
}

WriteOutcome MustWrite(const std::string& directory, const std::vector<FileText>& texts) {
  Result<WriteOutcome> outcome = AtomicWriter(directory, TheClock()).Write(Files(texts));
  INFO((outcome.ok() ? "" : outcome.error().message()));
  REQUIRE(outcome.ok());
  CHECK(outcome->leftovers.empty());
  return *std::move(outcome);
}

std::string MustFail(const std::string& directory, const std::vector<BundleFile>& files) {
  Result<WriteOutcome> outcome = AtomicWriter(directory, TheClock()).Write(files);
  REQUIRE_FALSE(outcome.ok());
  return outcome.error().message();
}

}  // namespace

TEST_CASE("a set has the layout of kubelet's secret volumes") {
  const mode_t old_mask = umask(0077);
  TempDir volume;
  const WriteOutcome outcome = MustWrite(
      volume.path(),
      {{"app.conf", "one"}, {"a/b/deep", "two", 0400}, {"a/..b", "three"}, {".dot", "", 0666}});
  umask(old_mask);

  CHECK(outcome.changed);
  CHECK(outcome.added == Strings{"app.conf", "a/b/deep", "a/..b", ".dot"});
  CHECK(Names(volume.path()) == Strings{"..data", "..set", ".dot", "a", "app.conf"});
  const std::string set = fs::read_symlink(volume / "..data");
  CHECK(set.starts_with("..2019_12_20_00_00_00."));  // the fake clock's date
  CHECK(set.find_first_not_of("0123456789", std::strlen("..2019_12_20_00_00_00.")) ==
        std::string::npos);
  CHECK(fs::read_symlink(volume / "app.conf") == "..data/app.conf");
  CHECK(fs::read_symlink(volume / "a") == "..data/a");
  CHECK(ReadText(volume / "a/b/deep") == "two");
  CHECK(ReadText(volume / "a/..b") == "three");
  // Independent of the umask: a non-root pod must be able to traverse it.
  CHECK(ModeOf(volume / set) == 0755);
  CHECK(ModeOf(volume / "a/b") == 0755);
  CHECK(ModeOf(volume / "app.conf") == 0644);
  CHECK(ModeOf(volume / "a/b/deep") == 0400);
  CHECK(ModeOf(volume / ".dot") == 0666);
}

TEST_CASE("the low nine bits of a mode are applied, zero included") {
  struct Row {
    std::string name;
    std::uint32_t mode, want;
  };
  const Row rows[] = {{"no access", 0, 0},
                      {"owner only", 0400, 0400},
                      {"everything", 0777, 0777},
                      {"set-user-id is dropped", 04755, 0755}};
  for (const Row& row : rows) {
    INFO(row.name);
    TempDir volume;
    MustWrite(volume.path(), {{"f", "x", row.mode}});
    CHECK(ModeOf(volume / "f") == row.want);
  }
}

TEST_CASE("a set is replaced only if something in it differs") {
  const std::vector<FileText> before = {{"a", "1"}, {"d/x", "2"}, {"d/y", "3"}};
  struct Row {
    std::string name;
    std::vector<FileText> after;
    bool changed;
    Strings added, updated, removed;
  };
  const Row rows[] = {
      {"equal", before, false, {}, {}, {}},
      {"another order", {{"d/y", "3"}, {"a", "1"}, {"d/x", "2"}}, false, {}, {}, {}},
      {"contents", {{"a", "9"}, {"d/x", "2"}, {"d/y", "3"}}, true, {}, {"a"}, {}},
      {"longer", {{"a", "10"}, {"d/x", "2"}, {"d/y", "3"}}, true, {}, {"a"}, {}},
      {"emptied", {{"a", ""}, {"d/x", "2"}, {"d/y", "3"}}, true, {}, {"a"}, {}},
      {"only a mode", {{"a", "1", 0600}, {"d/x", "2"}, {"d/y", "3"}}, true, {}, {"a"}, {}},
      {"one more", {{"a", "1"}, {"d/x", "2"}, {"d/y", "3"}, {"n", ""}}, true, {"n"}, {}, {}},
      {"one less", {{"a", "1"}, {"d/x", "2"}}, true, {}, {}, {"d/y"}},
      {"a directory less", {{"a", "1"}}, true, {}, {}, {"d/x", "d/y"}},
      {"a file becomes a directory",
       {{"a/b", "1"}, {"d/x", "2"}, {"d/y", "3"}},
       true,
       {"a/b"},
       {},
       {"a"}},
      {"a directory becomes a file", {{"a", "1"}, {"d", "2"}}, true, {"d"}, {}, {"d/x", "d/y"}},
      {"nothing left", {}, true, {}, {}, {"a", "d/x", "d/y"}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TempDir volume;
    MustWrite(volume.path(), before);
    const std::string old_set = fs::read_symlink(volume / "..data");
    const WriteOutcome outcome = MustWrite(volume.path(), row.after);
    CHECK(outcome.changed == row.changed);
    CHECK(outcome.added == row.added);
    CHECK(outcome.updated == row.updated);
    CHECK(outcome.removed == row.removed);
    CHECK((fs::read_symlink(volume / "..data") != old_set) == row.changed);
    CHECK(Look(volume.path()) == ViewOf(row.after));

    std::set<std::string> want = {"..data", "..set"};
    for (const FileText& file : row.after) want.insert(file.path.substr(0, file.path.find('/')));
    CHECK(Names(volume.path()) == Strings(want.begin(), want.end()));
  }
}

TEST_CASE("an equal set is not written") {
  TempDir volume;
  MustWrite(volume.path(), {{"a", "1"}, {"d/x", "2"}});
  struct stat before {
  }, after{};
  REQUIRE(stat(volume.path().c_str(), &before) == 0);
  MustWrite(volume.path(), {{"a", "1"}, {"d/x", "2"}});
  REQUIRE(stat(volume.path().c_str(), &after) == 0);
  CHECK(before.st_mtim.tv_sec == after.st_mtim.tv_sec);
  CHECK(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
  CHECK(before.st_ctim.tv_nsec == after.st_ctim.tv_nsec);
}

TEST_CASE("files get the configured owner, and a wrong owner is detected") {
  if (geteuid() != 0) FAIL("this test changes owners: run it as root");
  TempDir volume;
  const std::vector<FileText> set = {{"d/f", "x", 0440}};
  MustWrite(volume.path(), set);
  AtomicWriter::Options options;
  options.uid = 1234;
  options.gid = 4321;
  const AtomicWriter writer(volume.path(), TheClock(), options);
  Result<WriteOutcome> outcome = writer.Write(Files(set));
  REQUIRE(outcome.ok());
  CHECK(outcome->updated == Strings{"d/f"});
  struct stat file {
  }, directory{};
  REQUIRE(stat((volume / "d/f").c_str(), &file) == 0);
  REQUIRE(stat((volume / "d").c_str(), &directory) == 0);
  CHECK(file.st_uid == 1234);
  CHECK(file.st_gid == 4321);
  CHECK((file.st_mode & 07777) == 0440);
  CHECK(directory.st_uid == 0);
  Result<WriteOutcome> again = writer.Write(Files(set));
  REQUIRE(again.ok());
  CHECK_FALSE(again->changed);
}

TEST_CASE("an invalid path is refused before anything is written") {
  struct Row {
    std::string name;
    Strings paths;
    std::string want;
  };
  const Row rows[] = {
      {"empty", {""}, "invalid path \"\": must not be empty"},
      {"absolute", {"/dev/null"}, "must not be absolute"},
      {"parent", {"hello/../etc/x"}, "must not contain \"..\""},
      {"sneaky", {"..sneaky.txt"}, "must not start with \"..\""},
      {"our own link", {"..data"}, "must not start with \"..\""},
      {"double slash", {"foo////bar"}, "invalid filepath \"foo////bar\""},
      {"trailing slash", {"a/"}, "invalid filepath \"a/\""},
      {"dot", {"./a"}, "invalid filepath \"./a\""},
      {"long name", {std::string(256, 'n')}, "longer than 255 bytes"},
      {"long path", {std::string(4097, 'n')}, "longer than 4096 bytes"},
      {"NUL", {std::string("a\0b", 3)}, "NUL byte"},
      {"second is bad", {"good", "../x"}, "must not contain \"..\""},
      {"twice", {"a/b", "a/b"}, "two files have the path \"a/b\": rename one"},
      {"below a file", {"a/b/c", "a"}, "\"a\" is a file and cannot hold the file \"a/b/c\""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TempDir volume;
    std::vector<BundleFile> files;
    for (const std::string& path : row.paths) files.push_back({path, 0644, SecretBytes("x")});
    CHECK(MustFail(volume.path(), files).find(row.want) != std::string::npos);
    CHECK(Names(volume.path()).empty());
  }
}

TEST_CASE("unusual but valid paths are written") {
  TempDir volume;
  const std::vector<FileText> set = {{"baz\\bar", "1"},
                                     {"...", "2"},
                                     {"a b\n", "3"},
                                     {std::string(255, 'n'), "4"},
                                     {"i/am/well/behaved.txt", "5"},
                                     {"\xff", "6"}};
  // "..." starts with "..": the only one of these that the driver refuses too.
  CHECK(MustFail(volume.path(), Files(set)).find("\"...\"") != std::string::npos);
  std::vector<FileText> good = set;
  good.erase(good.begin() + 1);
  MustWrite(volume.path(), good);
  CHECK(Look(volume.path()) == ViewOf(good));
}

TEST_CASE("plain files written by a provider are replaced, other names stay") {
  TempDir volume;
  volume.Write("db", "old");
  fs::create_directories(volume / "certs/inner");
  volume.Write("certs/inner/key", "old");
  volume.Write("other", "mine");
  fs::create_symlink("other", volume / "alias");
  MustWrite(volume.path(), {{"db", "new"}, {"certs/ca", "new"}});
  CHECK(Look(volume.path()) ==
        View{{"db", "new"}, {"certs/ca", "new"}, {"other", "mine"}, {"alias", "mine"}});
  CHECK(Names(volume.path()) == Strings{"..data", "..set", "alias", "certs", "db", "other"});
}

TEST_CASE("the writer follows no symbolic link out of the directory") {
  TempDir outside;
  outside.Write("f", "1");
  struct Row {
    std::string name;
    std::function<void(const std::string& volume, const std::string& set)> plant;
  };
  const Row rows[] = {
      {"a name",
       [&](const std::string& volume, const std::string&) {
         fs::remove(volume + "/f");
         fs::create_symlink(outside / "f", volume + "/f");
       }},
      {"a file of the old set",
       [&](const std::string&, const std::string& set) {
         fs::remove(set + "/f");
         fs::create_symlink(outside / "f", set + "/f");
       }},
      {"a directory of the old set",
       [&](const std::string&, const std::string& set) {
         fs::remove_all(set + "/d");
         fs::create_directory_symlink(outside.path(), set + "/d");
       }},
      {"..data",
       [&](const std::string& volume, const std::string&) {
         fs::remove(volume + "/..data");
         fs::create_directory_symlink(outside.path(), volume + "/..data");
       }},
      {"..data_tmp",
       [&](const std::string& volume, const std::string&) {
         fs::create_directory_symlink(outside.path(), volume + "/..data_tmp");
       }},
      {"a dated set",
       [&](const std::string&, const std::string& set) {
         fs::remove_all(set);
         fs::create_directory_symlink(outside.path(), set);
       }},
      {"a pipe in a file's place",
       [&](const std::string&, const std::string& set) {
         fs::remove(set + "/f");
         REQUIRE(mkfifo((set + "/f").c_str(), 0644) == 0);
       }},
      {"..data is a directory",
       [&](const std::string& volume, const std::string&) {
         fs::remove(volume + "/..data");
         fs::create_directories(volume + "/..data/sub");
       }},
  };
  const std::vector<FileText> set = {{"f", "1"}, {"d/f", "1"}};
  for (const Row& row : rows) {
    INFO(row.name);
    TempDir volume;
    MustWrite(volume.path(), set);
    row.plant(volume.path(), volume / fs::read_symlink(volume / "..data").string());
    MustWrite(volume.path(), {{"f", "2"}, {"d/f", "2"}});
    CHECK(Look(volume.path()) == View{{"f", "2"}, {"d/f", "2"}});
    CHECK(fs::is_regular_file(fs::canonical(volume / "f")));
    CHECK(fs::canonical(volume / "f").string().starts_with(fs::canonical(volume.path()).string()));
    CHECK(ReadText(outside / "f") == "1");
    CHECK(Names(outside.path()) == Strings{"f"});
  }
}

namespace {

// True for a system call that changes the file system.
bool IsChange(std::uint64_t number, const std::uint64_t (&arguments)[6]) {
  switch (number) {
    case SYS_openat: return (arguments[2] & O_CREAT) != 0;
    case SYS_write:
    case SYS_mkdirat:
    case SYS_symlinkat:
    case SYS_unlinkat:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_fchmod:
    case SYS_fchown: return true;
    default: return false;
  }
}

// Runs one Write in a separate process that is killed after its `last`-th change of the file
// system. True: the Write finished before.
bool WriteAndDie(const std::string& directory, const std::vector<FileText>& texts, int last) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(2);
    raise(SIGSTOP);
    _exit(AtomicWriter(directory, TheClock()).Write(Files(texts)).ok() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFSTOPPED(status));
  constexpr int kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
  REQUIRE(ptrace(PTRACE_SETOPTIONS, child, nullptr, kOptions) == 0);
  bool is_change = false;  // the call in progress
  for (int changes = 0; WIFSTOPPED(status) && changes < last;) {
    REQUIRE(ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0);
    REQUIRE(waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status)) break;
    __ptrace_syscall_info call{};
    REQUIRE(ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(call), &call) > 0);
    if (call.op == PTRACE_SYSCALL_INFO_ENTRY) {
      is_change = IsChange(call.entry.nr, call.entry.args);
    } else if (call.op == PTRACE_SYSCALL_INFO_EXIT && is_change) {
      ++changes;
    }
  }
  if (WIFSTOPPED(status)) {
    REQUIRE(kill(child, SIGKILL) == 0);
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    return false;
  }
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  return true;
}

}  // namespace

TEST_CASE("a writer killed after any step leaves the old or the new set, and the next repairs it") {
  const std::vector<FileText> first = {{"a", "old"}, {"d/x", "old"}, {"gone", "old"}, {"s", "old"}};
  const std::vector<FileText> second = {
      {"a", "new"}, {"d/x", "new"}, {"d/y", "new"}, {"fresh", "new"}, {"s/t", "new"}};
  struct Row {
    std::string name;
    std::vector<FileText> before, after, repair;
    int least_steps;
  };
  const Row rows[] = {
      {"first set", {}, second, second, 10},
      {"change, repaired by the new set", first, second, second, 10},
      {"change, repaired by the old set", first, second, first, 10},
      {"everything goes", first, {}, second, 5},
  };
  for (const Row& row : rows) {
    bool saw_old = false, saw_new = false;
    for (int last = 1;; ++last) {
      INFO(row.name << ", killed after step " << last);
      TempDir volume;
      if (!row.before.empty()) MustWrite(volume.path(), row.before);
      const bool finished = WriteAndDie(volume.path(), row.after, last);
      const View seen = Look(volume.path());
      if (seen == ViewOf(row.before)) {
        saw_old = true;
      } else {
        CHECK(seen == ViewOf(row.after));
        saw_new = true;
      }
      if (finished) {
        CHECK(last > row.least_steps);
        break;
      }
      MustWrite(volume.path(), row.repair);
      CHECK(Look(volume.path()) == ViewOf(row.repair));
      std::set<std::string> want = {"..data", "..set"};
      for (const FileText& file : row.repair) {
        want.insert(file.path.substr(0, file.path.find('/')));
      }
      CHECK(Names(volume.path()) == Strings(want.begin(), want.end()));
      CHECK_FALSE(MustWrite(volume.path(), row.repair).changed);
    }
    CHECK(saw_old);
    CHECK(saw_new);
  }
}

TEST_CASE("a writer killed while it replaces plain files leaves every name readable") {
  const std::vector<FileText> after = {{"db", "new"}, {"certs/ca", "new"}};
  for (int last = 1;; ++last) {
    INFO("killed after step " << last);
    TempDir volume;
    volume.Write("db", "old");
    fs::create_directory(volume / "certs");
    volume.Write("certs/ca", "old");
    const bool finished = WriteAndDie(volume.path(), after, last);
    for (const auto& [path, text] : Look(volume.path())) CHECK((text == "old" || text == "new"));
    CHECK(Look(volume.path()).size() == 2);
    MustWrite(volume.path(), after);
    CHECK(Look(volume.path()) == ViewOf(after));
    CHECK(Names(volume.path()) == Strings{"..data", "..set", "certs", "db"});
    if (finished) break;
    REQUIRE(last < 100);
  }
}

TEST_CASE("leftovers of a killed writer are removed even if the set is equal") {
  TempDir volume;
  MustWrite(volume.path(), {{"a", "1"}});
  volume.Write("..2020_01_02_03_04_05.77/d/d/d/secret", "left behind");
  volume.Write("..2020_01_02_03_04_05.77/d/..0", "a name that moving up would like to use");
  fs::create_symlink("..2020_01_02_03_04_05.77", volume / "..data_tmp");
  fs::create_symlink("..data/ghost", volume / "ghost");
  fs::remove(volume / "a");
  const WriteOutcome outcome = MustWrite(volume.path(), {{"a", "1"}});
  CHECK_FALSE(outcome.changed);
  CHECK(Names(volume.path()) == Strings{"..data", "..set", "a"});
  CHECK(Look(volume.path()) == View{{"a", "1"}});
}

namespace {

// The contents of one file of an open set; "" if the set was removed meanwhile.
std::string ReadAt(int set, const char* name) {
  const int file = openat(set, name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return "";
  char text[64];
  const ssize_t got = read(file, text, sizeof(text));
  close(file);
  return std::string(text, got > 0 ? static_cast<std::size_t>(got) : 0);
}

}  // namespace

TEST_CASE("a reader never sees parts of two sets") {
  TempDir volume;
  const auto write = [&](int generation) {
    const std::string text = std::to_string(generation);
    MustWrite(volume.path(), {{"a", text}, {"b", text}, {"d/c", text}});
  };
  write(0);
  std::atomic<int> reads = 0, mixed = 0, torn = 0;
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    while (!stop) {
      const int set = open((volume / "..data").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (set < 0) continue;  // removed after the link was read
      const std::string a = ReadAt(set, "a"), b = ReadAt(set, "b"), c = ReadAt(set, "d/c");
      close(set);
      if (!a.empty() && !b.empty() && !c.empty()) {
        ++reads;
        if (a != b || b != c) ++mixed;
      }
      // The names themselves: never missing permanently, never empty or partly written.
      const std::string text = ReadText(volume / "a");
      if (text.find_first_not_of("0123456789") != std::string::npos) ++torn;
    }
  });
  int generation = 0;
  while (generation < 300 || (reads < 200 && generation < 20000)) write(++generation);
  stop = true;
  reader.join();
  CHECK(reads >= 200);
  CHECK(mixed == 0);
  CHECK(torn == 0);
}

namespace {

class SmallTmpfs {
 public:
  explicit SmallTmpfs(const std::string& options) {
    if (mount("tmpfs", path().c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
      FAIL("this test mounts a small tmpfs, which needs root and CAP_SYS_ADMIN: "
           << strerror(errno));
    }
  }
  ~SmallTmpfs() { umount2(path().c_str(), MNT_DETACH); }

  const std::string& path() const { return directory_.path(); }

 private:
  TempDir directory_;
};

}  // namespace

TEST_CASE("a path of the maximum depth is written, compared and removed") {
  SmallTmpfs volume("size=16m,mode=0755");
  std::string deep = "d";
  while (deep.size() + 2 <= 4096) deep += "/d";
  CHECK(MustWrite(volume.path(), {{deep, "bottom"}}).changed);
  CHECK_FALSE(MustWrite(volume.path(), {{deep, "bottom"}}).changed);
  CHECK(Names(volume.path()) == Strings{"..data", "..set", "d"});
  CHECK(MustWrite(volume.path(), {}).removed == Strings{deep});
  CHECK(Names(volume.path()) == Strings{"..data", "..set"});
}

TEST_CASE("a full volume keeps the old set, and the error names the file") {
  SmallTmpfs volume("size=64k,mode=0755");
  MustWrite(volume.path(), {{"a/b", "old"}, {"c", "old"}});
  std::vector<BundleFile> big = Files({{"c", "new"}, {"fresh", "new"}});
  big.push_back({"a/b", 0644, SecretBytes(std::string(100'000, 'x'))});
  Result<WriteOutcome> outcome = AtomicWriter(volume.path(), TheClock()).Write(big);
  REQUIRE_FALSE(outcome.ok());
  CHECK(outcome.error().code() == ErrorCode::kTooLarge);
  CHECK(outcome.error().message() == "write \"a/b\": no space left on device: the old set stays");
  CHECK(Look(volume.path()) == View{{"a/b", "old"}, {"c", "old"}});
  CHECK(Names(volume.path()) == Strings{"..data", "..set", "a", "c"});

  MustWrite(volume.path(), {{"a/b", "fits"}});
  CHECK(Look(volume.path()) == View{{"a/b", "fits"}});
}

TEST_CASE("a volume without free inodes keeps the old set, whichever step fails") {
  const std::vector<FileText> before = {{"a", "old"}, {"b", "old"}};
  const std::vector<FileText> after = {{"a", "new"}, {"d/e", "new"}, {"f", "new"}};
  int failures = 0;
  for (int inodes = 6;; ++inodes) {
    INFO(inodes << " inodes");
    SmallTmpfs volume("size=1m,nr_inodes=" + std::to_string(inodes));
    if (!AtomicWriter(volume.path(), TheClock()).Write(Files(before)).ok()) continue;
    Result<WriteOutcome> outcome = AtomicWriter(volume.path(), TheClock()).Write(Files(after));
    if (outcome.ok()) {
      CHECK(Look(volume.path()) == ViewOf(after));
      break;
    }
    ++failures;
    INFO(outcome.error().message());
    CHECK(outcome.error().message().ends_with(": no space left on device: the old set stays"));
    CHECK(Look(volume.path()) == ViewOf(before));
    CHECK(Names(volume.path()) == Strings{"..data", "..set", "a", "b"});
    REQUIRE(inodes < 100);
  }
  CHECK(failures >= 3);
}

TEST_CASE("a set takes no more of a tmpfs than TmpfsSizeOf says, and little less") {
  struct Row {
    std::string name;
    std::vector<FileText> files;
  };
  std::vector<FileText> many;
  for (int i = 0; i < 300; ++i) many.push_back({"d" + std::to_string(i) + "/f", "x"});
  const Row rows[] = {
      {"none", {}},
      {"empty files", {{"a", ""}, {"b", ""}}},
      {"one byte over a page", {{"a", std::string(4097, 'x')}}},
      {"common directories", {{"d/e/a", "x"}, {"d/e/b", "x"}, {"d/c", "x"}, {"f", "x"}}},
      {"many small files", many},
      {"a large one", {{"a", std::string(3'000'000, 'x')}}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    SmallTmpfs volume("size=8m,mode=0755");
    Result<Directory> root = Directory::OpenTmpfs(volume.path());
    REQUIRE(root.ok());
    const std::size_t empty = *root->TmpfsBytes();
    MustWrite(volume.path(), row.files);
    const std::size_t taken = *root->TmpfsBytes() - empty;
    const std::size_t said = TmpfsSizeOf(Files(row.files));
    CHECK(taken <= said);
    CHECK(said <= taken + 4 * kTmpfsInodeBytes);
  }
}

TEST_CASE("a new set is written only if there is memory for it; an equal one needs none") {
  SmallTmpfs volume("size=1m,mode=0755");
  std::vector<std::size_t> asked;
  Status answer;
  AtomicWriter::Options options;
  options.reserve = [&](std::size_t bytes) {
    asked.push_back(bytes);
    return answer;
  };
  const AtomicWriter writer(volume.path(), TheClock(), options);
  const std::vector<FileText> old = {{"a", "old"}};
  REQUIRE(writer.Write(Files(old)).ok());
  REQUIRE(writer.Write(Files(old)).ok());
  CHECK(asked == std::vector{TmpfsSizeOf(Files(old))});
  answer = Error(ErrorCode::kPrecondition, "no memory");
  const Result<WriteOutcome> refused = writer.Write(Files({{"a", "new"}, {"b", "new"}}));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message() == "no memory: the old set stays");
  CHECK(Look(volume.path()) == ViewOf(old));
  CHECK(Names(volume.path()) == Strings{"..data", "..set", "a"});
}

TEST_CASE("an open volume is written even if it is unmounted meanwhile, the disk below never") {
  TempDir dir;
  const std::string path = dir / "volume";
  fs::create_directory(path);
  CHECK(Directory::OpenTmpfs(path).error().message() ==
        "open \"" + path + "\": no tmpfs is mounted on it, so nothing is written");
  REQUIRE(mount("tmpfs", path.c_str(), "tmpfs", 0, "size=1m,mode=0755") == 0);
  Result<Directory> root = Directory::OpenTmpfs(path);
  REQUIRE(root.ok());
  fs::create_directory(path + "/inner");
  CHECK(Directory::OpenTmpfs(path + "/inner").error().code() == ErrorCode::kPrecondition);
  REQUIRE(umount2(path.c_str(), MNT_DETACH) == 0);
  CHECK(AtomicWriter(*std::move(root), TheClock(), {}).Write(Files({{"a", "secret"}})).ok());
  CHECK(fs::is_empty(path));
}

TEST_CASE("an unusable directory is an error that names it") {
  TempDir parent;
  parent.Write("file", "x");
  CHECK(MustFail(parent / "missing", {}) ==
        "open \"" + (parent / "missing") + "\": no such file or directory");
  CHECK(MustFail(parent / "file", {}) == "open \"" + (parent / "file") + "\": not a directory");
}

}  // namespace nodekeep
