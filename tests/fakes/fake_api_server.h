#pragma once

// An in-memory Kubernetes API server behind the two network interfaces HttpClient and
// HttpStreamClient.
//
// It stores objects by path and behaves like kube-apiserver where the agent depends on it:
//   - uid, resourceVersion and creationTimestamp; writes without a change keep the version
//   - 404, 409 (name taken, stale resourceVersion, other uid) and 410
//   - lists with label selectors (=, ==, !=, key, !key), field selectors (= on any field) and pages
//   - watches with bookmarks, from any version that is not compacted
//   - merge patches; metadata-only responses
//   - server-side apply with managers per field, where metadata.ownerReferences is a list keyed by
//     uid and every other list is one value; all other writes share one manager
// It has no schemas, defaults, admission, RBAC, finalizers, graceful deletion or subresources.
// Garbage is collected only when the test calls CollectGarbage.
//
// Thread-safe. Receivers are called with its lock held, so they must not call the server. A watch
// whose context has ended receives kCancelled at the next event.

#include <condition_variable>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json.h"
#include "agent/base/mutex.h"
#include "agent/http/http_client.h"
#include "agent/http/http_stream.h"

namespace nodekeep {

class FakeApiServer final : public HttpClient, public HttpStreamClient {
 public:
  FakeApiServer();
  ~FakeApiServer() override;

  struct Request {
    std::string method;
    std::string path;                            // decoded, without the query
    std::map<std::string, std::string> query;    // decoded
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
  };
  // How the next matching requests fail. The first fault that matches is used.
  struct Fault {
    std::string method = "";  // "" = any; "LIST" and "WATCH" are not "GET" here
    std::string path = "";    // matches a part of the path
    int times = 1;
    int status = 0;  // 0 = the connection is cut
    std::string reason = "InternalError";
    int retry_after = 0;        // seconds; 0 = no Retry-After header
    bool after_effect = false;  // the request takes effect, only its response is lost
    std::string body = "";      // response body; "" = a Status object with `reason`
  };

  std::vector<Result<HttpResponse>> SendAll(const Context& context,
                                            std::vector<HttpRequest> requests) override;
  void Open(const Context& context, HttpRequest request,
            std::shared_ptr<HttpReceiver> receiver) override;

  // Writes of other clients. Put creates or replaces the object in a collection
  // ("/api/v1/namespaces/shop/pods") and returns the stored object; PutText takes JSON text.
  Json Put(const std::string& collection, const Json& object);
  Json PutText(const std::string& collection, std::string_view json);
  void Remove(const std::string& path);
  // The object at a path, nullopt if there is none.
  std::optional<Json> Object(const std::string& path) const;
  // Deletes objects whose owners are all gone, repeatedly until none is left.
  void CollectGarbage();

  void AddFault(Fault fault);
  // While the server is down, every connection is refused. Going down cuts open watches.
  void SetDown(bool down);
  // Discards the history: a watch or a next page from an earlier version gets 410; with `in_stream`
  // the watch gets it as an ERROR event.
  void Compact(bool in_stream = false);

  // These act on each open watch.
  void SendBookmarks();
  void EndWatches();  // as after timeoutSeconds
  void CutWatches();
  void SendWatchError(int code, const std::string& reason);
  // Each watch receives half of the next event, and then its connection is cut.
  void CutWithinNextEvent();
  // From now on open watches receive neither events nor errors. New watches are not affected.
  void HangWatches();

  std::size_t open_watches() const;
  void AwaitWatches(std::size_t count) const;
  std::vector<Request> Requests() const;
  // Requests of that method ("" = any; LIST and WATCH as in Fault) whose path contains `part`.
  std::size_t Count(std::string_view method, std::string_view part = "") const;

 private:
  using FieldPath = std::vector<std::string>;
  // {"/api/v1/pods", "shop", "web-0"}
  struct Address {
    std::string resource;
    std::string namespace_name;
    std::string name;
    auto operator<=>(const Address&) const = default;
  };
  struct Stored {
    Json object;
    std::map<std::string, std::set<FieldPath>> applied;  // fields by manager
  };
  struct Change {
    long version = 0;
    Address address;
    std::optional<Json> before;
    std::optional<Json> after;
  };
  struct Selection;
  struct Watch;

  static Address ParseAddress(const std::string& path);
  static std::string KindOfRequest(const Request& request, const Address& address);

  Result<HttpResponse> Answer(const Request& request) NODEKEEP_REQUIRES(mutex_);
  std::optional<Fault> TakeFault(const std::string& kind, const Request& request)
      NODEKEEP_REQUIRES(mutex_);
  HttpResponse Do(const std::string& kind, const Request& request, const Address& address)
      NODEKEEP_REQUIRES(mutex_);
  HttpResponse List(const Request& request, const Address& address) NODEKEEP_REQUIRES(mutex_);
  HttpResponse Create(const Request& request, Address address) NODEKEEP_REQUIRES(mutex_);
  HttpResponse Update(const Request& request, const Address& address) NODEKEEP_REQUIRES(mutex_);
  HttpResponse Patch(const Request& request, const Address& address) NODEKEEP_REQUIRES(mutex_);
  HttpResponse Apply(const Request& request, const Address& address, const Json& body)
      NODEKEEP_REQUIRES(mutex_);
  HttpResponse Delete(const Request& request, const Address& address) NODEKEEP_REQUIRES(mutex_);
  void OpenWatch(const Context& context, const Request& request,
                 std::shared_ptr<HttpReceiver> receiver) NODEKEEP_REQUIRES(mutex_);
  // Stores `object` under the next version, unless it equals the stored one.
  const Json& Store(const Address& address, Json object) NODEKEEP_REQUIRES(mutex_);
  void Erase(const Address& address) NODEKEEP_REQUIRES(mutex_);
  void NotifyWatches(const Change& change) NODEKEEP_REQUIRES(mutex_);
  void DropCancelled() NODEKEEP_REQUIRES(mutex_);

  mutable Mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::map<Address, Stored> objects_ NODEKEEP_GUARDED_BY(mutex_);
  std::vector<Change> history_ NODEKEEP_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Watch>> watches_ NODEKEEP_GUARDED_BY(mutex_);
  std::vector<Fault> faults_ NODEKEEP_GUARDED_BY(mutex_);
  // By kind: method, LIST or WATCH.
  std::vector<std::pair<std::string, Request>> requests_ NODEKEEP_GUARDED_BY(mutex_);
  long version_ NODEKEEP_GUARDED_BY(mutex_) = 100;
  long compacted_ NODEKEEP_GUARDED_BY(mutex_) = 0;
  bool expires_in_stream_ NODEKEEP_GUARDED_BY(mutex_) = false;
  bool cut_within_next_event_ NODEKEEP_GUARDED_BY(mutex_) = false;
  bool down_ NODEKEEP_GUARDED_BY(mutex_) = false;
  long created_ NODEKEEP_GUARDED_BY(mutex_) = 0;  // objects, for their uids
};

}  // namespace nodekeep
