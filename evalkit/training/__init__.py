"""Training: batches, devices, the loop and its state; what every task that trains a network is made of."""
