"""The flow: request, plan, jobs, executors, registry."""
