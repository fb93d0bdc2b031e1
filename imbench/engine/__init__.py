"""The only room with nets and devices: batches, strategy, nets, predictions."""
