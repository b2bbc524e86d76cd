#pragma once

// A fixture for tests of the Fetcher: the real core with a scripted backend.

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "tests/fakes/core.h"

namespace nodekeep {

inline Error Down() { return Error(ErrorCode::kTransient, "connection refused"); }
inline Error No() { return Error(ErrorCode::kDenied, "403 permission denied"); }

struct FetcherFixture {
  explicit FetcherFixture(CoreOptions options = {}) : core(clock, std::move(options)) {}

  MountPlanPtr Plan(const std::string& objects, const std::string& pod = "web-1",
                    std::map<std::string, std::string> attributes = {}) {
    return FakePlan(backend, objects, MakeIdentity("shop", pod, "web"), std::move(attributes));
  }
  // As for the first content of a volume.
  MountPlanPtr PlanAtStart(const std::string& objects, const std::string& pod = "web-1",
                           std::map<std::string, std::string> parameters = {}) {
    MountRequest request;
    request.provider = "fake";
    request.parameters = std::move(parameters);
    request.parameters["objects"] = objects;
    request.identity = MakeIdentity("shop", pod, "web");
    request.target_path = "/pods/" + pod;
    request.at_start = true;
    return *PlanMount(Context(), ProviderOf(backend), std::move(request), {});
  }
  // The contents of the first file, or "no: <code>".
  std::string Mount(const MountPlanPtr& plan, ReadReport* report = nullptr) {
    Result<Bundle> bundle = core.Fetch(plan);
    if (!bundle.ok()) return "no: " + std::string(ErrorCodeName(bundle.error().code()));
    if (report != nullptr) *report = bundle->report;
    return bundle->files.empty() ? "(no file)" : std::string(bundle->files[0].contents.Reveal());
  }

  FakeClock clock;
  std::shared_ptr<FakeProvider> backend = std::make_shared<FakeProvider>(clock);
  Core core;
};

inline std::string TenObjects() {
  std::string objects = "s0";
  for (int i = 1; i < 10; ++i) objects += ",s" + std::to_string(i);
  return objects;
}

}  // namespace nodekeep
