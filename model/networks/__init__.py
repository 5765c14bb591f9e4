"""The networks: DeepLabv2, the discriminator, the classifier, and the ResNets below them."""
