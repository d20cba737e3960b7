// One JSON object a line, with the members of BuildKit's "rawjson": vertexes (steps), logs (their output), statuses.
#include <fmt/core.h>

#include "libcommon/base/base64.h"
#include "libcommon/base/json.h"
#include "libcommon/base/time.h"
#include "libcommon/io/digest_stream.h"
#include "tools/build/progress/progress.h"

namespace proa::build::detail {
namespace {

using OrderedJson = nlohmann::ordered_json;

class JsonView final : public ProgressView {
 public:
  void started(const StepView& step, std::size_t) override { print({{"vertexes", {vertex(step)}}}); }
  void ended(const StepView& step) override {
    OrderedJson ended = vertex(step);
    ended["completed"] = time(step.ended);
    if (step.state == StepView::State::Cached) ended["cached"] = true;
    if (step.state == StepView::State::Failed) ended["error"] = step.error;
    print({{"vertexes", {ended}}});
  }
  void output(const StepView& step, std::string_view data) override {
    OrderedJson log = {{"vertex", digest(step)},
                       {"stream", 1},
                       {"data", base64_encode(data)},
                       {"timestamp", time(std::chrono::system_clock::now())}};
    print({{"logs", {log}}});
  }
  void line(std::string_view text) override { print({{"statuses", {{{"name", text}}}}}); }

 private:
  static std::string time(std::chrono::system_clock::time_point at) { return format_rfc3339(at); }
  static std::string digest(const StepView& step) {
    return io::digest_of(fmt::format("{} {}", step.number, step.text)).str();
  }
  static OrderedJson vertex(const StepView& step) {
    std::string name = stage_prefix(step) + step.text;
    return {{"digest", digest(step)}, {"name", std::move(name)}, {"started", time(step.started)}};
  }
  static void print(const OrderedJson& object) { print_progress(json_text(object) + "\n"); }
};

}  // namespace

std::unique_ptr<ProgressView> make_json_view() { return std::make_unique<JsonView>(); }

}  // namespace proa::build::detail
