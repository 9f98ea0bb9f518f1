"""The widgets inside 3D Slicer. Layer: Qt, over `mrml` and the child process of `service.worker`."""
