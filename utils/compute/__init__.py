"""What computing stands on: devices, number formats, several processes, threads, memory."""
