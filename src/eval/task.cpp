#include "eval/task.h"

namespace longhaul {

Registry<TaskFamily>& Tasks() {
  static Registry<TaskFamily> registry("task");
  return registry;
}

std::unique_ptr<Task> make_task(const std::string& text, const TaskContext& context) {
  Spec spec = Spec::parse(text);
  std::unique_ptr<Task> task = Tasks().find(spec.name()).make.make(spec, context);
  spec.finish();
  return task;
}

}  // namespace longhaul
