"""The networks, and the two things that train them: the learner and s4GAN."""
