"""How the product gets into an AWS account: the template, its package, its deployment. Nothing here runs in Lambda."""
