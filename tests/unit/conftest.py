import os

# Small tensors on many threads are slower, and wait for each other where the machine is busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
