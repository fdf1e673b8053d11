"""What mapping functions evaluate to: values, operators, machine spaces, whole launch domains."""
